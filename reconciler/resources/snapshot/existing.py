"""Every snapshot that a warehouse has: manual, automated, and copies that came from another Region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.model.ports import Services
from reconciler.providers.data import SnapshotDescription
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.kind import Existing

AUTOMATED: Final = "automated"


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All snapshots, ordered by name; two calls. An automated one belongs to its cluster while that is there, and so
    does the backup of one whose root key is lost (RE8); a copy to the snapshot that it is a copy of."""
    warehouse, who = warehouse_provider(services, provider), caller(services, provider)
    there = warehouse.describe_clusters(who)
    clusters = {cluster.uid: cluster.arn for cluster in there}
    backups = {lost.backup: cluster.arn for cluster in there if (lost := cluster.inaccessible) is not None}
    return [
        Existing(
            name=one.name,
            attributes=attributes_of(one),
            others=(one.arn,),
            belongs_to=one.source_arn
            or backups.get(one.name)
            or (clusters.get(one.cluster_uid) if one.kind == AUTOMATED else None),
        )
        for one in warehouse.describe_snapshots(who)
    ]


def attributes_of(found: SnapshotDescription) -> dict[str, str | int | None]:
    """What the state records of a snapshot."""
    kept = None if found.expires_at is None else (found.expires_at - found.created_at).days
    return {
        "id": found.arn,
        "arn": found.arn,
        "name": found.name,
        "uid": found.uid,
        "cluster_uid": found.cluster_uid,
        "retention_days": kept,
    }
