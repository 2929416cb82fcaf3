"""The identity policies that principals hold now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.typed import caller, holding_identity_policies
from reconciler.resources.identity_policy.held import Held
from reconciler.resources.kind import Observation, Target
from reconciler.resources.sweep import by_provider


class IdentityPolicyObservation(Observation):
    """A policy as it is now."""

    principal: str
    name: str
    document: dict[str, Any]


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, IdentityPolicyObservation | None]:
    """One call a provider for the policies of all principals concerned."""
    seen: dict[Address, IdentityPolicyObservation | None] = {}
    for provider, group in by_provider(targets):
        wanted = {target.address: Held.of(str(target.attributes["id"])) for target in group}
        found = {
            Held(one.principal, one.name): one
            for one in holding_identity_policies(services, provider).list_identity_policies(
                caller(services, provider), sorted({held.principal for held in wanted.values()})
            )
        }
        for address, held in wanted.items():
            one = found.get(held)
            seen[address] = (
                None
                if one is None
                else IdentityPolicyObservation(principal=one.principal, name=one.name, document=dict(one.document))
            )
    return seen
