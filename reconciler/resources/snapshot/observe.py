"""What the warehouse says of each recorded snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from reconciler.access.caller import Caller
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.data import RootKind, SnapshotDescription, WarehouseProvider
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.kind import DataObservation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class SnapshotObservation(DataObservation):
    """A snapshot as it is now. ``predates_encryption``: it is plaintext, and its cluster is encrypted by now (RE15).
    Times are UTC."""

    arn: str
    cluster: str
    cluster_uid: str
    status: str
    created_at: datetime
    expires_at: datetime | None
    root: RootKind
    key_arn: str | None
    bytes: int
    predates_encryption: bool
    partition: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, SnapshotObservation | None]:
    """One call a provider for all of its snapshots, and one more where some are plaintext."""
    seen: dict[Address, SnapshotObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes): target.address for target in group}
        warehouse, who = warehouse_provider(services, provider), caller(services, provider)
        there = {
            found.name: found for found in warehouse.describe_snapshots(who, only_few(names)) if found.name in names
        }
        encrypted = _encrypted_clusters(warehouse, who, there.values())
        for name, address in names.items():
            found = there.get(name)
            seen[address] = None if found is None else observation_of(found, encrypted)
    return seen


def _encrypted_clusters(warehouse: WarehouseProvider, who: Caller, found: Iterable[SnapshotDescription]) -> set[str]:
    """The uids of the encrypted clusters among those that plaintext snapshots were taken of."""
    if all(snapshot.root.kind is not RootKind.NONE for snapshot in found):
        return set()
    # All of them: a cluster may have another name by now than when its snapshot was taken (SC1).
    return {cluster.uid for cluster in warehouse.describe_clusters(who) if cluster.encrypted}


def observation_of(description: SnapshotDescription, encrypted: set[str]) -> SnapshotObservation:
    """A description as an observation; ``encrypted`` are uids of encrypted clusters."""
    is_plaintext = description.root.kind is RootKind.NONE
    return SnapshotObservation(
        arn=description.arn,
        uid=description.uid,
        cluster=description.cluster,
        cluster_uid=description.cluster_uid,
        status=description.status,
        created_at=description.created_at,
        expires_at=description.expires_at,
        root=description.root.kind,
        key_arn=description.root.key_arn,
        partition=description.root.partition,
        bytes=description.bytes,
        predates_encryption=is_plaintext and description.cluster_uid in encrypted,
    )
