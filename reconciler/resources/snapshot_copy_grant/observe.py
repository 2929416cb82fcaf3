"""What the destination's warehouse says of each recorded snapshot copy grant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.data import CopyGrantDescription, RootKind
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.kind import Observation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class SnapshotCopyGrantObservation(Observation):
    """A snapshot copy grant as it is now. ``copying`` are the ARNs of the clusters that copy through it."""

    arn: str
    root: RootKind
    key_arn: str | None
    grant_id: str | None
    copying: tuple[str, ...]


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, SnapshotCopyGrantObservation | None]:
    """One call a provider for all of its copy grants."""
    seen: dict[Address, SnapshotCopyGrantObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes): target.address for target in group}
        warehouse = warehouse_provider(services, provider)
        found = warehouse.describe_snapshot_copy_grants(caller(services, provider), only_few(names))
        there = {description.name: description for description in found}
        for name, address in names.items():
            seen[address] = observation_of(there[name]) if name in there else None
    return seen


def observation_of(description: CopyGrantDescription) -> SnapshotCopyGrantObservation:
    """A description as an observation."""
    return SnapshotCopyGrantObservation(
        arn=description.arn,
        root=description.root.kind,
        key_arn=description.root.key_arn,
        grant_id=description.grant_id,
        copying=tuple(sorted(description.copying)),
    )
