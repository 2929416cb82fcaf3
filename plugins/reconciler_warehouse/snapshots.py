"""Snapshots: rows that refer to immutable files, key tables and keys; nothing is rewritten (SC1)."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

from reconciler.errors import AlreadyExistsException, ConflictException, DamagedStore
from reconciler_warehouse import manifest
from reconciler_warehouse.describe import expired
from reconciler_warehouse.drafts import let_go_of
from reconciler_warehouse.hierarchy import opened
from reconciler_warehouse.keyring import Holding, add_holding, cek_of, drop_holder, holdings, take
from reconciler_warehouse.rows import ClusterRow, SnapshotRow, segments_of_snapshot, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING

MANUAL = "manual"
AUTOMATED = "automated"


def create(
    site: Site, cluster: ClusterRow, name: str, *, retention_days: int | None, token: str, kind: str = MANUAL
) -> None:
    """A snapshot of the cluster as it is now; no-op when the token made it. AlreadyExistsException.

    Tables marked BACKUP NO are not in it (RE10). It is encrypted as the cluster is, and points at the same CEK until
    one of them gets a new one.
    """
    with site.catalogue.read() as catalogue:
        known = None if catalogue is None else snapshot_where(catalogue, "token = ?", token)
        named = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if known is not None and known.status == AVAILABLE:
        return
    if named is not None and named.token != token:
        if named.status == AVAILABLE:
            raise AlreadyExistsException(f"A snapshot {name} exists already in {site.region}")
        remove(site, named, unfinished_only=True)
    snapshot = known or _reserve(site, cluster, name, kind, token)
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks, site.catalogue.write() as catalogue:
        now = snapshot_where(catalogue, "uid = ?", snapshot.uid)
        if now is not None and now.status == AVAILABLE:
            return  # the same call, elsewhere, was quicker
        manifest.check(catalogue, "cluster", cluster.uid, cluster.name, deks)
        _require_unchanged(catalogue, cluster)
        _hold(site, cluster, snapshot)
        _refer(catalogue, cluster, snapshot)
        made_at = site.now()
        expires_at = None if retention_days is None else (made_at + timedelta(days=retention_days)).isoformat()
        catalogue.execute(
            "UPDATE snapshot SET status = ?, dek = ?, created_at = ?, expires_at = ? WHERE uid = ?",
            (AVAILABLE, cluster.dek, made_at.isoformat(), expires_at, snapshot.uid),
        )
        manifest.seal_snapshot(catalogue, snapshot.uid, cluster.uid, deks)


def delete(site: Site, name: str) -> None:
    """Remove the snapshot; no error when it is gone."""
    with site.catalogue.read() as catalogue:
        snapshot = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if snapshot is not None:
        remove(site, snapshot)


def remove_expired(site: Site, name: str) -> list[str]:
    """Remove the snapshot of that name if its retention is over; its name, if it went."""
    with site.catalogue.read() as catalogue:
        snapshot = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if snapshot is None or name not in expired(site):
        return []
    remove(site, snapshot)
    return [name]


def remove(site: Site, snapshot: SnapshotRow, *, unfinished_only: bool = False) -> None:
    """The snapshot leaves the catalogue in one commit; files and keys that nothing else needs follow by the sweep.
    ``unfinished_only`` leaves one alone that was finished since its row was read."""
    with site.catalogue.write() as catalogue:
        now = snapshot_where(catalogue, "uid = ?", snapshot.uid)
        if now is not None and now.status != CREATING and unfinished_only:
            raise AlreadyExistsException(f"A snapshot {snapshot.name} was made in {site.region} meanwhile")
        segments = segments_of_snapshot(catalogue, snapshot.uid)
        catalogue.execute("DELETE FROM snapshot WHERE uid = ?", (snapshot.uid,))
        manifest.drop_pages(catalogue, snapshot.uid)
        let_go_of(catalogue, [one.file for one in segments], [one.key_table for one in segments])
        catalogue.execute("INSERT OR IGNORE INTO gone (holder) VALUES (?)", (snapshot.uid,))


def of_cluster(site: Site, cluster: str) -> list[SnapshotRow]:
    """The cluster's own snapshots here, not copies from elsewhere."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return []
        uids = [
            row[0]
            for row in catalogue.execute(
                "SELECT uid FROM snapshot WHERE cluster_uid = ? AND source_region IS NULL ORDER BY name", (cluster,)
            )
        ]
        found = [snapshot_where(catalogue, "uid = ?", uid) for uid in uids]
    return [one for one in found if one is not None]


def _reserve(site: Site, cluster: ClusterRow, name: str, kind: str, token: str) -> SnapshotRow:
    with site.catalogue.write() as catalogue:
        catalogue.execute(
            """INSERT INTO snapshot (uid, name, token, status, kind, cluster, cluster_uid, created_at,
                                     cluster_created_at, origin) VALUES (?,?,?,?,?,?,?,?,?,?)""",
            (
                *(site.uid(), name, token, CREATING, kind, cluster.name, cluster.uid, site.now().isoformat()),
                *(cluster.created_at.isoformat(), cluster.uid),
            ),
        )
        made = snapshot_where(catalogue, "token = ?", token)
    if made is None:
        raise DamagedStore(f"The catalogue at {site.catalogue.path} did not keep a snapshot that was just written")
    return made


def _hold(site: Site, cluster: ClusterRow, snapshot: SnapshotRow) -> None:
    """The snapshot holds what the cluster holds: durable before the catalogue says that it exists. Inside the
    catalogue's transaction, so that no other process sees, sweeps or finishes the snapshot in between."""
    if cluster.dek is None:
        return
    with site.keyring.write() as ring:
        cek = cek_of(ring, cluster.uid)
        if cek is None:
            raise DamagedStore(f"The key ring at {site.keyring.path} lacks the cluster key of {cluster.name}")
        drop_holder(ring, snapshot.uid)
        for one in holdings(ring, cluster.uid, cek.uid):
            if one.dek == cluster.dek:
                if one.under is not None:  # a rotation that was begun since: it opens by the cluster's next key only
                    raise _changed(cluster)
                add_holding(
                    ring,
                    Holding(holder=snapshot.uid, cek=cek.uid, dek=one.dek, wrapped=one.wrapped),
                )
        take(ring, {snapshot.uid: cek.uid}, {snapshot.uid: None})


def _require_unchanged(catalogue: sqlite3.Connection, cluster: ClusterRow) -> None:
    """In the commit that refers to its segments: the cluster's key is still the one that was looked at."""
    row = catalogue.execute("SELECT dek FROM cluster WHERE uid = ?", (cluster.uid,)).fetchone()
    if row is None or row[0] != cluster.dek:
        raise _changed(cluster)


def _changed(cluster: ClusterRow) -> ConflictException:
    return ConflictException(
        f"Cluster {cluster.name} was changed while its snapshot was taken", suggestion="Run the command again."
    )


def _refer(catalogue: sqlite3.Connection, cluster: ClusterRow, snapshot: SnapshotRow) -> None:
    """The snapshot's references to the cluster's segments as they are."""
    catalogue.execute(
        """INSERT INTO snapshot_table (snapshot, uid, name)
           SELECT ?, uid, name FROM data_table WHERE cluster = ? AND backup""",
        (snapshot.uid, cluster.uid),
    )
    catalogue.execute(
        """INSERT INTO snapshot_segment (snapshot, uid, data_table, ordinal, file, key_table, rows, bytes,
                                         delete_vector, identity)
           SELECT ?, s.uid, s.data_table, s.ordinal, s.file, s.key_table, s.rows, s.bytes, s.delete_vector, s.identity
           FROM segment s JOIN data_table t ON t.uid = s.data_table WHERE t.cluster = ? AND t.backup""",
        (snapshot.uid, cluster.uid),
    )
