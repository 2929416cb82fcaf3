"""What the table service says of each recorded keyspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.typed import caller, table_provider
from reconciler.resources.kind import Observation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class KeyspaceObservation(Observation):
    """A keyspace as it is now. ``replication`` is the label that it was made with."""

    arn: str
    replication: str


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, KeyspaceObservation | None]:
    """One call a provider for all of its keyspaces."""
    seen: dict[Address, KeyspaceObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes): target.address for target in group}
        found = table_provider(services, provider).describe_keyspaces(caller(services, provider), only_few(names))
        there = {one.name: KeyspaceObservation(arn=one.arn, replication=one.replication) for one in found}
        for name, address in names.items():
            seen[address] = there.get(name)
    return seen
