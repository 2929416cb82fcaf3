"""The end of the time that an inaccessible cluster waits for its root key (RE8): released, at the second look (I13)."""

from __future__ import annotations

import sqlite3

from reconciler.providers.warehouse import EventSeverity
from reconciler_warehouse import events
from reconciler_warehouse.changes import clusters
from reconciler_warehouse.keyring import Cek
from reconciler_warehouse.lost_roots.recovery import SECOND_LOOK, WAIT, Stage, day, is_whole, stage
from reconciler_warehouse.rows import ClusterRow, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, INACCESSIBLE
from reconciler_warehouse.stored_values import moment


def after_the_deadline(site: Site, cluster: ClusterRow, cek: Cek) -> list[str]:
    """Release the cluster when its time was over at an earlier look, too. The root key was asked just now."""
    now = site.now()
    with site.catalogue.write() as catalogue:
        row = catalogue.execute(
            "SELECT status, inaccessible_since, inaccessible_overdue, inaccessible_backup FROM cluster WHERE uid = ?",
            (cluster.uid,),
        ).fetchone()
        if row is None or row[0] != INACCESSIBLE:
            return []
        since, overdue, backup = moment(row[1]), None if row[2] is None else moment(row[2]), row[3]
        found = stage(since, overdue, now)
        if found is Stage.WAITS:
            catalogue.execute("UPDATE cluster SET inaccessible_overdue = NULL WHERE uid = ?", (cluster.uid,))
            return []
        if found is Stage.OVER:
            catalogue.execute(
                "UPDATE cluster SET inaccessible_overdue = ? WHERE uid = ?", (now.isoformat(), cluster.uid)
            )
            told = f"Its time was over on {day(since + WAIT)}: it is released at the first look after "
            told += f"{day(now + SECOND_LOOK)}, unless its root key {cek.root_arn} is back by then"
            tell(site, catalogue, cluster, events.ERROR, told)
            return [f"Cluster {cluster.name}: {told[0].lower()}{told[1:]}."]
        if found is Stage.NOTED:
            return []
        kept = snapshot_where(catalogue, "uid = ?", backup) if backup else None
        if kept is None or not is_whole(site, catalogue, cluster.uid, kept.uid):
            return [_start_over(site, catalogue, cluster)]
        told = (
            f"The cluster was released: its root key {cek.root_arn} was lost for {WAIT.days} days. Its sealed backup "
        )
        told += f"is snapshot {kept.name}"
        tell(site, catalogue, cluster, events.ERROR, told)
        clusters.remove_in(catalogue, cluster.uid)
    return [f"Cluster {cluster.name} was released; its sealed backup is snapshot {kept.name}."]


def _start_over(site: Site, catalogue: sqlite3.Connection, cluster: ClusterRow) -> str:
    """Its backup is not what was made: another is made at the next look, and the time begins anew."""
    catalogue.execute(
        """UPDATE cluster SET status = coalesce(status_before, ?), inaccessible_since = NULL, inaccessible_cause = NULL,
           inaccessible_backup = NULL, inaccessible_overdue = NULL WHERE uid = ?""",
        (AVAILABLE, cluster.uid),
    )
    told = "Its sealed backup does not have all that the cluster has: the cluster stays, and another is made"
    tell(site, catalogue, cluster, events.ERROR, told)
    return f"Cluster {cluster.name}: its sealed backup is not whole, so it was not released."


def tell(site: Site, catalogue: sqlite3.Connection, cluster: ClusterRow, severity: EventSeverity, message: str) -> None:
    """Note what happened to a cluster on account of its root key."""
    events.note(catalogue, cluster.uid, cluster.name, events.SECURITY, severity, message, at=site.now())
