"""What the warehouses say of each cluster's copying: is it on, and which snapshots have not arrived."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.data import ClusterDescription, RootKind, SnapshotDescription
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.kind import Observation, Target
from reconciler.resources.sweep import by_provider, only_few

AVAILABLE = "available"


class UncopiedSnapshot(Observation):
    """A snapshot of the cluster that the destination does not hold."""

    name: str
    arn: str
    bytes: int


class ArrivedCopy(Observation):
    """A copy that this copying made, in the destination."""

    name: str
    arn: str
    uid: str = ""


class SnapshotCopyObservation(Observation):
    """A cluster's copying as it is now. ``cluster_root`` tells whether copies without a grant would be a downgrade,
    ``withheld`` names snapshots that are not copied as long as it is what it is, ``copies`` are those that it made,
    and those that its warehouse made by itself.
    ``inaccessible``: the cluster's root key is lost, and nothing is copied until it is back (RE8)."""

    region: str
    grant_name: str | None
    retention_days: int
    cluster_root: RootKind
    uncopied: tuple[UncopiedSnapshot, ...]
    withheld: tuple[str, ...] = ()
    copies: tuple[ArrivedCopy, ...] = ()
    inaccessible: Annotated[bool, Field(exclude_if=lambda value: not value)] = False

    def steady_json(self) -> str:
        """See ``Observation.steady_json``: copies come and go by schedule and retention."""
        return self.model_dump_json(exclude={"copies"})


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, SnapshotCopyObservation | None]:
    """Clusters and snapshots once a source, snapshots once a destination. None: copying is off."""
    seen: dict[Address, SnapshotCopyObservation | None] = {}
    arrived: dict[str, list[SnapshotDescription]] = {}
    for provider, group in by_provider(targets):
        warehouse, who = warehouse_provider(services, provider), caller(services, provider)
        names = {str(target.attributes["cluster"]) for target in group}
        clusters = {found.name: found for found in warehouse.describe_clusters(who, only_few(names))}
        taken = warehouse.describe_snapshots(who)
        for target in group:
            cluster = clusters.get(str(target.attributes["cluster"]))
            if cluster is None or cluster.copy is None:
                seen[target.address] = None
                continue
            destination = str(target.attributes["to"])
            if destination not in arrived:
                arrived[destination] = warehouse_provider(services, destination).describe_snapshots(
                    caller(services, destination)
                )
            copied, now = target.attributes.get("copied") or {}, services.clock.now()
            is_lost = cluster.inaccessible is not None
            missing = [] if is_lost else uncopied(cluster, taken, arrived[destination], copied, now)
            held = [] if is_lost else not_to_be_copied(cluster, taken, arrived[destination], copied, now)
            seen[target.address] = SnapshotCopyObservation(
                region=cluster.copy.region,
                grant_name=cluster.copy.grant_name,
                retention_days=cluster.copy.retention_days,
                cluster_root=cluster.root.kind,
                uncopied=tuple(
                    UncopiedSnapshot(name=found.name, arn=found.arn, bytes=found.bytes) for found in missing
                ),
                withheld=tuple(found.name for found in held),
                copies=tuple(
                    ArrivedCopy(name=found.name, arn=found.arn, uid=found.uid)
                    for found in arrived[destination]
                    if found.cluster_uid == cluster.uid and found.source_region == warehouse.region
                ),
                inaccessible=is_lost,
            )
    return seen


def uncopied(
    cluster: ClusterDescription,
    taken: Collection[SnapshotDescription],
    arrived: Collection[SnapshotDescription],
    copied: Mapping[str, Any],
    now: datetime,
) -> list[SnapshotDescription]:
    """The cluster's own finished snapshots that the destination lacks and is to have, ordered by name. ``copied`` is
    what the state recorded, uid → when the copy expires (ISO 8601, None: never): one that is over is not copied a
    second time."""
    return [one for one in _lacking(cluster, taken, arrived, copied, now) if not _has_no_voucher(cluster, one)]


def not_to_be_copied(
    cluster: ClusterDescription,
    taken: Collection[SnapshotDescription],
    arrived: Collection[SnapshotDescription],
    copied: Mapping[str, Any],
    now: datetime,
) -> list[SnapshotDescription]:
    """Those that the destination lacks and does not get: under which key they would come to stand there is vouched for
    by the cluster's own key, and a cluster that was decrypted since has none."""
    return [one for one in _lacking(cluster, taken, arrived, copied, now) if _has_no_voucher(cluster, one)]


def _has_no_voucher(cluster: ClusterDescription, snapshot: SnapshotDescription) -> bool:
    return not cluster.encrypted and snapshot.root.kind is not RootKind.NONE


def _lacking(
    cluster: ClusterDescription,
    taken: Collection[SnapshotDescription],
    arrived: Collection[SnapshotDescription],
    copied: Mapping[str, Any],
    now: datetime,
) -> list[SnapshotDescription]:
    there = {found.source_arn for found in arrived}
    return [
        found
        for found in sorted(taken, key=lambda found: found.name)
        if found.cluster_uid == cluster.uid
        and found.source_region is None
        and found.status == AVAILABLE
        and found.arn not in there
        and not _has_expired(found.uid, copied, now)
        and not _would_be_over(cluster, found, now)
    ]


def _would_be_over(cluster: ClusterDescription, snapshot: SnapshotDescription, now: datetime) -> bool:
    """Whether a copy made now would be over at once: it is kept from when the snapshot was taken. So one that the
    warehouse copied by itself, and let go when it was over, is not copied again."""
    return cluster.copy is not None and snapshot.created_at + timedelta(days=cluster.copy.retention_days) <= now


def _has_expired(uid: str, copied: Mapping[str, Any], now: datetime) -> bool:
    expires = copied.get(uid)
    return expires is not None and datetime.fromisoformat(str(expires)) <= now
