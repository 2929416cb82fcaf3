"""Automated snapshots: when the next one of each cluster is due, and taking it (SC1).

Due is what the stored time says, not how often anybody looked: after a pause one snapshot is taken, not as many as were
missed, and the next is due when it would have been. How often and for how long stand in the cluster's manifest, so
nobody has a cluster left without backups by a row that he changed.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Final

from reconciler.errors import ValidationException
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler_warehouse import events, manifest
from reconciler_warehouse.backups import snapshots
from reconciler_warehouse.describe import schedule_in
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.names import automated_name
from reconciler_warehouse.rows import ClusterRow, cluster_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.stored_values import moment

SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=3653)


def set_schedule(site: Site, cluster: ClusterRow, wanted: SnapshotSchedule | None) -> None:
    """See ``SchedulesSnapshots.set_snapshot_schedule``. The first is due one period from now; of a changed period, one
    period after the last was. ValidationException for less than a minute, or more than ten years."""
    if wanted is not None and not all(SHORTEST <= one <= LONGEST for one in (wanted.every, wanted.retention)):
        raise ValidationException(
            f"Snapshots of cluster {cluster.name} are to be taken every {_words(wanted.every)} and kept for "
            f"{_words(wanted.retention)}; each must be between {_words(SHORTEST)} and {_words(LONGEST)}"
        )
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks, site.catalogue.write() as catalogue:
        present, due_at = _present(catalogue, cluster.uid)
        if present == wanted:
            return
        if present is not None and wanted is not None and due_at is not None:
            next_due = due_at - present.every + wanted.every
        else:
            next_due = site.now() + (timedelta() if wanted is None else wanted.every)
        with manifest.changing(catalogue, cluster.uid, deks):
            catalogue.execute(
                "UPDATE cluster SET snapshot_every = ?, snapshot_retention = ?, scheduled_at = ? WHERE uid = ?",
                (*_seconds(wanted), None if wanted is None else next_due.isoformat(), cluster.uid),
            )
        message = (
            f"Snapshots of cluster {cluster.name} are no longer taken by schedule"
            if wanted is None
            else f"Snapshots of cluster {cluster.name} are taken every {_words(wanted.every)} and kept for "
            f"{_words(wanted.retention)}"
        )
        events.note(*(catalogue, cluster.uid, cluster.name, events.MANAGEMENT, events.INFO, message), at=site.now())


def take(site: Site, cluster: ClusterRow, at: datetime) -> str | None:
    """The automated snapshot that was due at that time, and when the next is: one commit. Its name; None when another
    process took it, or the schedule was changed since."""
    with site.catalogue.read() as catalogue:
        wanted, due_at = (None, None) if catalogue is None else _present(catalogue, cluster.uid)
    if wanted is None or due_at != at:
        return None
    token = f"schedule/{cluster.uid}/{at.isoformat()}"
    name = snapshots.free_name(site, automated_name(cluster.name, site.now()), token)

    def advance(catalogue: sqlite3.Connection) -> None:
        missed = max(0, (site.now() - at) // wanted.every)
        catalogue.execute(
            "UPDATE cluster SET scheduled_at = ? WHERE uid = ? AND scheduled_at = ?",
            ((at + (missed + 1) * wanted.every).isoformat(), cluster.uid, at.isoformat()),
        )

    snapshots.create(*(site, cluster, name), keep=wanted.retention, token=token, kind=snapshots.AUTOMATED, also=advance)
    return name


def _words(span: timedelta) -> str:
    """As a manifest writes it: ``8h``."""
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _seconds(wanted: SnapshotSchedule | None) -> tuple[int | None, int | None]:
    if wanted is None:
        return None, None
    return int(wanted.every.total_seconds()), int(wanted.retention.total_seconds())


def _present(catalogue: sqlite3.Connection, cluster: str) -> tuple[SnapshotSchedule | None, datetime | None]:
    row = catalogue.execute(
        "SELECT snapshot_every, snapshot_retention, scheduled_at FROM cluster WHERE uid = ?", (cluster,)
    ).fetchone()
    if row is None or cluster_where(catalogue, "uid = ?", cluster) is None:
        return None, None
    return schedule_in(row[0], row[1]), None if row[2] is None else moment(row[2])
