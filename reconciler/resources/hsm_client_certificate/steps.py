"""How a client certificate is made and removed (HS4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.hsm import ClientCertificateDescription, ClientCertificateRequest
from reconciler.providers.typed import hsm_provider
from reconciler.resources.kind import ResourceStep


@dataclass(frozen=True, kw_only=True)
class CertificateStep(ResourceStep):
    """A call about one certificate of one HSM provider."""

    certificate: str

    def check(self, services: Services) -> None:
        hsm_provider(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class MakeCertificate(CertificateStep):
    """A new key pair, whose private half never leaves the provider, and its certificate."""

    common_name: str
    valid_days: int

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """What its token made is found by that alone; what else was asked for since is the next plan's."""
        return bool(begun["certificate"] == now["certificate"])

    def run(self, services: StepServices) -> Outcome:
        request = ClientCertificateRequest(
            name=self.certificate, common_name=self.common_name, valid_days=self.valid_days
        )
        made = hsm_provider(services, self.provider).create_client_certificate(
            self.caller(services), request, token=services.token
        )
        return Outcome(attributes=identity_of(made))


@dataclass(frozen=True, kw_only=True)
class DeleteCertificate(CertificateStep):
    """It goes, private key and all; the provider refuses while a partition uses it. ``is_last``: none takes its
    place."""

    is_last: bool

    def run(self, services: StepServices) -> Outcome:
        hsm_provider(services, self.provider).delete_client_certificate(self.caller(services), self.certificate)
        return Outcome(gone=True) if self.is_last else Outcome(attributes=dict.fromkeys(_IDENTITY))


_IDENTITY = ("id", "arn", "name", "fingerprint")


def identity_of(made: ClientCertificateDescription) -> dict[str, str]:
    """What the state records of a certificate."""
    return {"id": made.arn, "arn": made.arn, "name": made.name, "fingerprint": made.fingerprint}
