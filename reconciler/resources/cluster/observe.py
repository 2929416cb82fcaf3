"""What the warehouse says of each recorded cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.data import ClusterDescription, RootKind
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.providers.warehouse import EstimatesChanges, RootKeyState
from reconciler.resources.cluster.marks import older_copies, recorded_mark
from reconciler.resources.cluster.status import MODIFYING, RESIZING
from reconciler.resources.kind import DataObservation, Observation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class TableObservation(Observation):
    """A table of a cluster. ``loads`` are the SHA-256 digests (hex) of the files in it, ``bytes`` its size."""

    name: str
    backup: bool
    rows: int
    bytes: int
    loads: tuple[str, ...]


class ScheduleObservation(Observation):
    """Automated snapshots: how often, and how long each is kept (SC1)."""

    every: timedelta
    retention: timedelta


class InaccessibleObservation(Observation):
    """A lost root key: since when, until when the cluster waits, why, what its backup is called, and the ARN of the
    escrow key that opens it; None: nothing but the root key does (RE8, RE14)."""

    since: datetime
    deadline: datetime
    cause: RootKeyState
    backup: str | None
    escrow_arn: str | None


class ManifestObservation(Observation):
    """How far its data have come (``ManifestMark``)."""

    version: int
    tag: str

    def __str__(self) -> str:
        return f"manifest {self.version:,} ({self.tag[:8]})"


_Rare = Field(exclude_if=lambda value: value is None)


class ClusterObservation(DataObservation):
    """A cluster as it is now. Copying is not among it: that is SnapshotCopy's to observe. Not ``keys_verified``: nobody
    has tried them in its partition yet (HS6). ``change`` is the verb of a change of encryption that is under way,
    ``awaits_snapshot`` one that is done but for its first snapshot (RE10). Of ``manifest`` what is recorded is the
    furthest that was seen. ``is_older_copy``, which is not recorded: this is one of what was, or went on from one.
    Times are UTC."""

    arn: str
    status: str
    node_type: str
    nodes: int
    database: str
    created_at: datetime
    root: RootKind
    key_arn: str | None
    partition: str | None
    cek_id: str | None
    dek_id: str | None
    grant_id: str | None
    rotated_at: datetime | None
    tables: tuple[TableObservation, ...]
    keys_verified: Annotated[bool, Field(exclude_if=bool)] = True
    schedule: Annotated[ScheduleObservation | None, _Rare] = None
    escrow_arn: Annotated[str | None, _Rare] = None
    inaccessible: Annotated[InaccessibleObservation | None, _Rare] = None
    awaits_snapshot: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    change: Annotated[str | None, _Rare] = None
    manifest: Annotated[ManifestObservation | None, _Rare] = None
    is_older_copy: Annotated[bool, Field(exclude=True)] = False

    def steady_json(self) -> str:
        """See ``Observation.steady_json``."""
        return self.model_dump_json(exclude={"manifest": True, "tables": {"__all__": {"rows", "bytes"}}})

    def recorded_after(self, before: str | None) -> ClusterObservation:
        """See ``Observation.recorded_after``: an older copy's mark is not recorded over the newest's."""
        if not self.is_older_copy or before is None:
            return self
        return self.model_copy(update={"manifest": ClusterObservation.model_validate_json(before).manifest})

    @property
    def is_encrypted(self) -> bool:
        """Whether data are ciphertext on disk."""
        return self.root is not RootKind.NONE

    @property
    def bytes(self) -> int:
        """The size of all tables."""
        return sum(table.bytes for table in self.tables)


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, ClusterObservation | None]:
    """One call a provider for all of its clusters, another when one of them is not there by its name."""
    seen: dict[Address, ClusterObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes) for target in group}
        warehouse, who = warehouse_provider(services, provider), caller(services, provider)
        few = only_few(names)
        found = warehouse.describe_clusters(who, few)
        there = {description.name for description in found}
        if few is not None and any(
            name_of(target.attributes) not in there and "uid" in target.attributes for target in group
        ):
            found = warehouse.describe_clusters(who)
        ones = {target.address: _the_one(target, found) for target in group}
        known = {target.address: mark for target in group if (mark := recorded_mark(target.observed)) is not None}
        older = older_copies(warehouse, known, {address: one for address, one in ones.items() if one is not None})
        for address, one in ones.items():
            is_older = address in older
            seen[address] = None if one is None else observation_of(one, _change(warehouse, one), is_older=is_older)
    return seen


def _change(warehouse: object, one: ClusterDescription) -> str | None:
    """The verb of its unfinished change, asked only of what has one."""
    if one.status not in (MODIFYING, RESIZING) or not isinstance(warehouse, EstimatesChanges):
        return None
    under_way = warehouse.change_progress(one.name)
    return None if under_way is None else under_way.verb


def _the_one(target: Target, found: Sequence[ClusterDescription]) -> ClusterDescription | None:
    """The cluster of that uid, which a rename that was interrupted, or done elsewhere, leaves under another name; else
    whatever has its name."""
    uid, name = target.attributes.get("uid"), name_of(target.attributes)
    by_uid = next((one for one in found if one.uid == uid), None)
    return by_uid or next((one for one in found if one.name == name), None)


def observation_of(
    description: ClusterDescription, change: str | None = None, *, is_older: bool = False
) -> ClusterObservation:
    """A description as an observation."""
    schedule, lost = description.schedule, description.inaccessible
    return ClusterObservation(
        arn=description.arn,
        uid=description.uid,
        status=description.status,
        node_type=description.node_type,
        nodes=description.nodes,
        database=description.database,
        created_at=description.created_at,
        root=description.root.kind,
        key_arn=description.root.key_arn,
        partition=description.root.partition,
        cek_id=description.cek_id,
        dek_id=description.dek_id,
        grant_id=description.grant_id,
        rotated_at=description.rotated_at,
        keys_verified=description.keys_verified,
        schedule=None if schedule is None else ScheduleObservation(every=schedule.every, retention=schedule.retention),
        escrow_arn=description.escrow_arn,
        inaccessible=None
        if lost is None
        else InaccessibleObservation(
            since=lost.since,
            deadline=lost.deadline,
            cause=lost.cause,
            backup=lost.backup,
            escrow_arn=lost.escrow_arn,
        ),
        awaits_snapshot=description.awaits_snapshot,
        change=change,
        is_older_copy=is_older,
        manifest=None
        if description.manifest is None
        else ManifestObservation(version=description.manifest.version, tag=description.manifest.tag),
        tables=tuple(
            TableObservation(
                name=table.name, backup=table.backup, rows=table.rows, bytes=table.bytes, loads=table.loads
            )
            for table in sorted(description.tables, key=lambda table: table.name)
        ),
    )
