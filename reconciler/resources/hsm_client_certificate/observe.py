"""What the HSM provider says of each recorded client certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.hsm import ClientCertificateDescription
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.kind import Observation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class HsmClientCertificateObservation(Observation):
    """A client certificate as it is now. Times are UTC; ``used_by`` are the partitions that are reached with it."""

    arn: str
    common_name: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    used_by: tuple[str, ...]

    @property
    def valid_days(self) -> int:
        """For how many days it was made."""
        return round((self.not_after - self.not_before).total_seconds() / 86400)


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, HsmClientCertificateObservation | None]:
    """One call a provider for all of its certificates. Asks no HSM."""
    seen: dict[Address, HsmClientCertificateObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes): target.address for target in group}
        found = hsm_provider(services, provider).describe_client_certificates(
            caller(services, provider), only_few(names)
        )
        there = {description.name: description for description in found}
        for name, address in names.items():
            seen[address] = observation_of(there[name]) if name in there else None
    return seen


def observation_of(description: ClientCertificateDescription) -> HsmClientCertificateObservation:
    """A description as an observation."""
    return HsmClientCertificateObservation(
        arn=description.arn,
        common_name=description.common_name,
        fingerprint=description.fingerprint,
        not_before=description.not_before,
        not_after=description.not_after,
        used_by=tuple(sorted(description.used_by)),
    )
