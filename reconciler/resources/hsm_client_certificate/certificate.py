"""The public certificate, which is registered at the HSM (HS9)."""

from __future__ import annotations

from reconciler.errors import ResourceNotFoundException
from reconciler.model.ports import Services
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.kind import Target
from reconciler.resources.reference import name_of


def certificate(target: Target, services: Services) -> str:
    """As PEM. ResourceNotFoundException."""
    name = name_of(target.attributes)
    provider = hsm_provider(services, target.provider)
    found = next(iter(provider.describe_client_certificates(caller(services, target.provider), [name])), None)
    if found is None:
        raise ResourceNotFoundException(
            f"{target.address} is gone from Provider/{target.provider}",
            address=target.address,
            suggestion="`reconciler plan` says what becomes of that.",
        )
    return found.pem
