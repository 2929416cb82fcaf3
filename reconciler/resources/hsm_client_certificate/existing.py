"""Every client certificate that an HSM provider has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.hsm_client_certificate.steps import identity_of
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All certificates, ordered by name; one call."""
    found = hsm_provider(services, provider).describe_client_certificates(caller(services, provider))
    return [Existing(name=one.name, attributes=identity_of(one), others=(one.arn, one.fingerprint)) for one in found]
