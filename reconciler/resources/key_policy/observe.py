"""The policy that each key has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.typed import caller, holding_policies
from reconciler.resources.kind import Observation, Target
from reconciler.resources.sweep import by_provider


class KeyPolicyObservation(Observation):
    """A key's policy as it is now."""

    document: dict[str, Any]


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, KeyPolicyObservation | None]:
    """One call a provider for all of its policies. A policy's identity is its key's ARN."""
    seen: dict[Address, KeyPolicyObservation | None] = {}
    for provider, group in by_provider(targets):
        keys = {str(target.attributes["id"]): target.address for target in group}
        found = holding_policies(services, provider).get_key_policies(caller(services, provider), list(keys))
        for key, address in keys.items():
            document = found.get(key)
            seen[address] = None if document is None else KeyPolicyObservation(document=dict(document))
    return seen
