"""What is due by now, from the stored rows alone: needs no key and no engine (RE2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler_warehouse.describe import has_expired
from reconciler_warehouse.lost_roots import roots_due
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, INACCESSIBLE
from reconciler_warehouse.stored_values import moment
from reconciler_warehouse.writing import joinable


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """For looking ahead: as what is stored shall be read. ``at`` that time (None: now). Clusters (uids) in ``lost`` are
    left alone by then, those in ``ready`` available, whatever they are now."""

    at: datetime | None = None
    lost: frozenset[str] = frozenset()
    ready: frozenset[str] = frozenset()

    def is_ready(self, cluster_uid: str, now: bool) -> bool:
        """Whether the cluster will be fit for what needs it available; ``now``: it is."""
        return cluster_uid not in self.lost and (now or cluster_uid in self.ready)


AS_IT_IS = Outlook()


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
    taken_at: datetime


def anything(site: Site) -> bool:
    """Whether there is work for ``DoesDueWork``."""
    return (
        has_expired(site)
        or bool(snapshots(site))
        or bool(copies(site))
        or bool(interrupted(site))
        or bool(joinable.due(site))
        or bool(roots_due.to_look_into(site))
    )


def interrupted(site: Site, outlook: Outlook = AS_IT_IS) -> list[tuple[str, str, str]]:
    """Uids and names of the clusters with a change that was begun and not finished, and its verbs. None whose root key
    is known to be lost."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT c.uid, c.name, group_concat(DISTINCT o.verb), c.status != ?
               FROM operation o JOIN cluster c ON c.uid = o.cluster
               WHERE NOT o.finished GROUP BY c.uid ORDER BY c.name""",
            (INACCESSIBLE,),
        ).fetchall()
    return [(uid, name, verbs) for uid, name, verbs, is_open in rows if outlook.is_ready(uid, bool(is_open))]


def snapshots(site: Site, outlook: Outlook = AS_IT_IS) -> list[DueSnapshot]:
    """Clusters whose snapshot is due, the longest overdue first; needs no key. None of a cluster that a change is under
    way in (RE10), that is not available, or whose root key is lost (RE8)."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT uid, name, scheduled_at, status = ? AND inaccessible_since IS NULL
                   AND NOT EXISTS (SELECT 1 FROM operation WHERE cluster = c.uid AND NOT finished)
               FROM cluster c WHERE snapshot_every IS NOT NULL""",
            (AVAILABLE,),
        ).fetchall()
    found = [
        DueSnapshot(cluster_uid=uid, cluster=name, at=moment(at))
        for uid, name, at, is_free in rows
        if outlook.is_ready(uid, bool(is_free))
    ]
    now = outlook.at or site.now()
    return sorted((one for one in found if one.at <= now), key=lambda one: (one.at, one.cluster))


def copies(site: Site, outlook: Outlook = AS_IT_IS) -> list[DueCopy]:
    """Oldest first; needs no key. Those that were taken since copying was switched on, that were not copied yet, and
    that are not over, nor would their copy be at once. None that the cluster's key does not vouch for, or that lies in
    clear while the cluster no longer does (I18): those are copied by name only."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        rows = catalogue.execute(
            """SELECT s.name, s.uid, c.uid, c.name, o.provider, o.region, s.created_at, s.expires_at, o.since,
                   o.retention_days, c.inaccessible_since IS NULL
               FROM snapshot_copy o JOIN cluster c ON c.uid = o.cluster
               JOIN snapshot s ON s.cluster_uid = c.uid
               WHERE o.provider IS NOT NULL AND s.source_region IS NULL AND s.status = ? AND s.copied_at IS NULL
               AND (s.dek IS NULL) = (c.dek IS NULL) AND s.uid IS NOT c.inaccessible_backup
               ORDER BY s.created_at, s.name""",
            (AVAILABLE,),
        ).fetchall()
    now = outlook.at or site.now()
    found: list[DueCopy] = []
    for snapshot, uid, cluster_uid, cluster, provider, region, created_at, expires_at, since, days, is_free in rows:
        taken = moment(created_at)
        is_over = taken + timedelta(days=days) <= now or (expires_at is not None and moment(expires_at) <= now)
        if taken >= moment(since) and not is_over and outlook.is_ready(cluster_uid, bool(is_free)):
            found.append(
                DueCopy(
                    snapshot=snapshot,
                    uid=uid,
                    cluster_uid=cluster_uid,
                    cluster=cluster,
                    provider=provider,
                    region=region,
                    taken_at=taken,
                )
            )
    return found
