"""A key of another Region or account than that of the Provider at hand, asked at the Provider that has it (KM7)."""

from __future__ import annotations

from reconciler.model.ports import Services
from reconciler.providers.keys import KeyState
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.key_calls import FindsKeys


def is_going(services: Services, arn: str) -> bool:
    """Whether that key waits for its deletion, or is gone. One that nobody can be asked about stays."""
    provider = services.key_service_of(arn) if isinstance(services, FindsKeys) else None
    if provider is None:
        return False
    found = key_provider(services, provider).describe_keys(caller(services, provider), [arn]).get(arn)
    return found is None or found.state == KeyState.PENDING_DELETION
