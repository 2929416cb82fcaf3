"""What happened to clusters, each thing noted once: inside the transaction of the change that it tells of (RE8, HS7).

A note stands or falls with its change, so none is lost by a crash and none told twice by a repeated call. They belong
to the cluster's uid: those from before a rename are found under the new name, and those of a cluster that is gone under
its last one.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Final

from reconciler.providers.warehouse import ClusterEvent, EventSeverity
from reconciler_warehouse.site import Site
from reconciler_warehouse.stored_values import moment

MANAGEMENT: Final = "management"
SECURITY: Final = "security"
MONITORING: Final = "monitoring"
INFO: Final = EventSeverity.INFO
ERROR: Final = EventSeverity.ERROR
KEPT: Final = 1000  # of each cluster: what can happen often must not grow for ever


def note(  # noqa: PLR0917  # whose, and what
    catalogue: sqlite3.Connection,
    cluster_uid: str,
    name: str,
    category: str,
    severity: EventSeverity,
    message: str,
    *,
    at: datetime,
) -> None:
    """Remember that this happened to the cluster. The oldest of more than ``KEPT`` goes."""
    catalogue.execute(
        "INSERT INTO event (at, cluster_uid, cluster, category, severity, message) VALUES (?,?,?,?,?,?)",
        (at.isoformat(), cluster_uid, name, category, str(severity), message),
    )
    catalogue.execute(
        """DELETE FROM event WHERE cluster_uid = ?1 AND id <=
           (SELECT id FROM event WHERE cluster_uid = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)""",
        (cluster_uid, KEPT),
    )


def is_last(catalogue: sqlite3.Connection, cluster_uid: str, message: str) -> bool:
    """Whether that is the last thing that was told of the cluster: what goes on is not told at each look."""
    last = catalogue.execute(
        "SELECT message FROM event WHERE cluster_uid = ? ORDER BY id DESC LIMIT 1", (cluster_uid,)
    ).fetchone()
    return last is not None and last[0] == message


def told(site: Site, name: str, limit: int) -> list[ClusterEvent]:
    """See ``TellsEvents.events``: of the cluster of that name; when there is none, of the last that had it."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        uid = catalogue.execute(
            """SELECT uid FROM cluster WHERE name = ?1 UNION ALL
               SELECT * FROM (SELECT cluster_uid FROM event WHERE cluster = ?1 ORDER BY id DESC LIMIT 1)""",
            (name,),
        ).fetchone()
        if uid is None:
            return []
        rows = catalogue.execute(
            """SELECT at, cluster, category, severity, message FROM event WHERE cluster_uid = ?
               ORDER BY id DESC LIMIT ?""",
            (uid[0], max(0, limit)),
        ).fetchall()
    return [
        ClusterEvent(
            at=moment(at),
            cluster=cluster,
            category=category,
            severity=EventSeverity(severity),
            message=message,
        )
        for at, cluster, category, severity, message in rows
    ]
