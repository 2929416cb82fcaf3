"""What is due by now, from the stored rows alone: needs no key and no engine (RE2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler_warehouse import roots_due
from reconciler_warehouse.describe import has_expired
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, INACCESSIBLE
from reconciler_warehouse.stored_values import moment
from reconciler_warehouse.writing import joinable


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSnapshot:
    """A cluster whose automated snapshot is due, since ``at``."""

    cluster_uid: str
    cluster: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCopy:
    """A snapshot that is to be copied, and to which provider of the project."""

    snapshot: str
    uid: str
    cluster_uid: str
    cluster: str
    provider: str
    region: str


def anything(site: Site) -> bool:
    """Whether there is work for ``DoesDueWork``."""
    return (
        has_expired(site)
        or bool(snapshots(site))
        or bool(copies(site))
        or bool(interrupted(site))
        or bool(joinable.due(site))
        or roots_due.anything(site)
    )


def interrupted(site: Site) -> list[tuple[str, str]]:
    """Uids and names of the clusters with a change that was begun and not finished, and whose root key is not known to
    be lost."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        return catalogue.execute(
            """SELECT DISTINCT c.uid, c.name FROM operation o JOIN cluster c ON c.uid = o.cluster
               WHERE NOT o.finished AND c.status != ? ORDER BY c.name""",
            (INACCESSIBLE,),
        ).fetchall()


def snapshots(site: Site) -> list[DueSnapshot]:
    """Clusters whose snapshot is due, the longest overdue first; needs no key. None of a cluster that a change is under
    way in (RE10), that is not available, or whose root key is lost (RE8)."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT uid, name, scheduled_at FROM cluster c
               WHERE snapshot_every IS NOT NULL AND status = ? AND inaccessible_since IS NULL
               AND NOT EXISTS (SELECT 1 FROM operation WHERE cluster = c.uid AND NOT finished)""",
            (AVAILABLE,),
        ).fetchall()
    found = [DueSnapshot(cluster_uid=uid, cluster=name, at=moment(at)) for uid, name, at in rows]
    return sorted((one for one in found if one.at <= site.now()), key=lambda one: (one.at, one.cluster))


def copies(site: Site) -> list[DueCopy]:
    """Oldest first; needs no key. Those that were taken since copying was switched on, that were not copied yet, and
    whose copy would not be over at once. None that the cluster's key does not vouch for, or that lies in clear while
    the cluster no longer does (I18): those are copied by name only."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT s.name, s.uid, c.uid, c.name, o.provider, o.region, s.created_at, o.since, o.retention_days
               FROM snapshot_copy o JOIN cluster c ON c.uid = o.cluster
               JOIN snapshot s ON s.cluster_uid = c.uid
               WHERE o.provider IS NOT NULL AND s.source_region IS NULL AND s.status = ? AND s.copied_at IS NULL
               AND (s.dek IS NULL) = (c.dek IS NULL) AND c.inaccessible_since IS NULL
               ORDER BY s.created_at, s.name""",
            (AVAILABLE,),
        ).fetchall()
    found: list[DueCopy] = []
    for snapshot, uid, cluster_uid, cluster, provider, region, created_at, since, days in rows:
        taken = moment(created_at)
        if taken >= moment(since) and taken + timedelta(days=days) > site.now():
            found.append(
                DueCopy(
                    snapshot=snapshot,
                    uid=uid,
                    cluster_uid=cluster_uid,
                    cluster=cluster,
                    provider=provider,
                    region=region,
                )
            )
    return found
