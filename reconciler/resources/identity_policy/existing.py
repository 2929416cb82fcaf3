"""Every identity policy that an account has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.identities import HoldsIdentityPolicies
from reconciler.providers.typed import caller
from reconciler.resources.identity_policy.held import Held
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All of them, ordered by principal and name; one call. A service without identity policies has none."""
    policies = services.provider(provider)
    if not isinstance(policies, HoldsIdentityPolicies):
        return []
    found = policies.list_identity_policies(caller(services, provider))
    return [Existing(name=one.name, attributes=Held(one.principal, one.name).attributes) for one in found]
