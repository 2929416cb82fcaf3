"""Which key each recorded alias names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.typed import caller, naming_keys
from reconciler.resources.kind import Observation, Target
from reconciler.resources.sweep import by_provider


class AliasObservation(Observation):
    """An alias as it is now; ``target_key_id`` is a key's id."""

    name: str
    arn: str
    target_key_id: str


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, AliasObservation | None]:
    """One call a provider for all of its aliases."""
    seen: dict[Address, AliasObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {str(target.attributes["id"]): target.address for target in group}
        found = naming_keys(services, provider).list_aliases(caller(services, provider), list(names))
        by_name = {alias.name: alias for alias in found}
        for name, address in names.items():
            alias = by_name.get(name)
            seen[address] = (
                None
                if alias is None
                else AliasObservation(name=alias.name, arn=alias.arn, target_key_id=alias.target_key_id)
            )
    return seen
