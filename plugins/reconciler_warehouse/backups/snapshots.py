"""Snapshots: rows that refer to immutable files, key tables and keys; nothing is rewritten (SC1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import timedelta

from reconciler.errors import AlreadyExistsException, ConflictException, DamagedStore, ResourceNotFoundException
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.describe import expired
from reconciler_warehouse.escrow_rows import share_escrow
from reconciler_warehouse.keyring import (
    Holding,
    add_holding,
    cek_of,
    drop_holder,
    holdings,
    lacks_cek,
    retake,
    sharing,
    take,
)
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.rows import ClusterRow, SnapshotRow, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING
from reconciler_warehouse.upkeep.drafts import let_go_of

MANUAL = "manual"
AUTOMATED = "automated"


def create(
    site: Site,
    cluster: ClusterRow,
    name: str,
    *,
    keep: timedelta | None,
    token: str,
    kind: str = MANUAL,
    also: Callable[[sqlite3.Connection], None] = lambda catalogue: None,
) -> None:
    """A snapshot of the cluster as it is now, kept for that long (None: until it is deleted); no-op when the token made
    it. AlreadyExistsException.

    Tables marked BACKUP NO are not in it (RE10). It is encrypted as the cluster is, and points at the same CEK until
    one of them gets a new one. Nothing of the segments is read: what is referred to is what the root of the cluster's
    manifest stands for, and whoever opens the snapshot checks the pages. ``also`` is done by the same commit.
    """
    with site.catalogue.read() as catalogue:
        known = None if catalogue is None else snapshot_where(catalogue, "token = ?", token)
        named = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if known is not None and known.status == AVAILABLE:
        return
    if named is not None and named.token != token:
        if named.status == AVAILABLE:
            raise AlreadyExistsException(
                f"A snapshot {name} exists already in {site.region}",
                suggestion="Import it, or choose another name.",
            )
        remove(site, named, unfinished_only=True)
    snapshot = known or reserve(site, cluster, name, kind, token)
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks, site.catalogue.write() as catalogue:
        now = snapshot_where(catalogue, "uid = ?", snapshot.uid)
        if now is None:
            raise _changed(cluster)  # given up by another call: it must not get keys that nobody would drop
        if now.status == AVAILABLE:
            return  # the same call, elsewhere, was quicker
        manifest.check_root(catalogue, "cluster", cluster.uid, cluster.name, deks)
        _require_unchanged(catalogue, cluster)
        _require_one_form(catalogue, cluster)
        _hold(site, cluster, snapshot, besides=_staged_dek(catalogue, cluster))
        refer(catalogue, cluster, snapshot)
        made_at = site.now()
        expires_at = None if keep is None else (made_at + keep).isoformat()
        catalogue.execute(
            "UPDATE snapshot SET status = ?, dek = ?, created_at = ?, expires_at = ? WHERE uid = ?",
            (AVAILABLE, cluster.dek, made_at.isoformat(), expires_at, snapshot.uid),
        )
        manifest.seal_snapshot(catalogue, snapshot.uid, cluster.uid, deks)
        _note(catalogue, snapshot, f"The {kind} snapshot {snapshot.name} was taken", site)
        also(catalogue)


def gone(snapshot: SnapshotRow) -> ResourceNotFoundException:
    """What a call says whose snapshot somebody deleted while it went on."""
    return ResourceNotFoundException(
        f"Snapshot {snapshot.name} was deleted meanwhile",
        suggestion="Nothing came of this call. Name a snapshot that is there, or take another.",
    )


def available(site: Site, name: str) -> SnapshotRow:
    """The snapshot of that name. ResourceNotFoundException when there is none, or it was never finished."""
    with site.catalogue.read() as catalogue:
        snapshot = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if snapshot is None or snapshot.status != AVAILABLE:
        raise ResourceNotFoundException(f"There is no snapshot {name} in {site.region}")
    return snapshot


def free_name(site: Site, name: str, token: str) -> str:
    """``name``, or with something added when another snapshot has it; that of the one which the token began, if it
    did."""
    with site.catalogue.read() as catalogue:
        mine = None if catalogue is None else snapshot_where(catalogue, "token = ?", token)
        taken = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if mine is not None:
        return mine.name
    return name if taken is None else f"{name}-{site.uid()[:8]}"


def delete(site: Site, name: str) -> None:
    """Remove the snapshot; no error when it is gone."""
    with site.catalogue.read() as catalogue:
        snapshot = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if snapshot is not None:
        remove(site, snapshot, why="was deleted")


def remove_expired(site: Site, name: str) -> list[str]:
    """Remove the snapshot of that name if its retention is over; its name, if it went."""
    with site.catalogue.read() as catalogue:
        snapshot = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if snapshot is None or name not in expired(site):
        return []
    remove(site, snapshot, why="was removed, its retention being over")
    return [name]


def remove(
    site: Site, snapshot: SnapshotRow, *, unfinished_only: bool = False, why: str = "was given up unfinished"
) -> None:
    """The snapshot leaves the catalogue in one commit; files and keys that nothing else needs follow by the sweep.
    ``unfinished_only`` leaves one alone that was finished since its row was read."""
    with site.catalogue.write() as catalogue:
        now = snapshot_where(catalogue, "uid = ?", snapshot.uid)
        if now is not None and now.status != CREATING and unfinished_only:
            raise AlreadyExistsException(f"A snapshot {snapshot.name} was made in {site.region} meanwhile")
        if now is not None:  # else another process removed it
            remove_in(catalogue, site, now, why)


def remove_in(catalogue: sqlite3.Connection, site: Site, snapshot: SnapshotRow, why: str) -> None:
    """The same, inside a transaction that saw it."""
    referred = catalogue.execute(
        "SELECT file, key_table, delete_vector FROM snapshot_segment WHERE snapshot = ?", (snapshot.uid,)
    ).fetchall()
    catalogue.execute("DELETE FROM snapshot WHERE uid = ?", (snapshot.uid,))
    manifest.drop_pages(catalogue, snapshot.uid)
    let_go_of(catalogue, [file for file, _, _ in referred], [key_table for _, key_table, _ in referred])
    delete_vectors.let_go(catalogue, [vector for _, _, vector in referred if vector is not None])
    catalogue.execute("INSERT OR IGNORE INTO gone (holder) VALUES (?)", (snapshot.uid,))
    _note(catalogue, snapshot, f"Snapshot {snapshot.name} {why}", site)


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


def reserve(site: Site, cluster: ClusterRow, name: str, kind: str, token: str) -> SnapshotRow:
    """The row of a snapshot that is being made: durable before its keys are held."""
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


def _hold(site: Site, cluster: ClusterRow, snapshot: SnapshotRow, *, besides: str | None) -> None:
    """The snapshot holds what the cluster holds (a restored one has older DEKs, too), but not ``besides``: durable
    before the catalogue says that it exists. Inside the catalogue's transaction, so that no other process sees, sweeps
    or finishes the snapshot in between."""
    if cluster.dek is None:
        return
    with site.keyring.write() as ring:
        cek = cek_of(ring, cluster.uid)
        if cek is None:
            raise lacks_cek(site.keyring, cluster.name)
        drop_holder(ring, snapshot.uid)
        for one in holdings(ring, cluster.uid, cek.uid):
            if one.dek == besides:
                continue
            if one.under not in (None, cluster.dek) or (one.dek == cluster.dek and one.under is not None):
                raise _changed(cluster)  # a rotation that was begun since: it opens by the cluster's next key only
            add_holding(
                ring, Holding(holder=snapshot.uid, cek=cek.uid, dek=one.dek, wrapped=one.wrapped, under=one.under)
            )
        take(ring, {snapshot.uid: cek.uid}, {snapshot.uid: None})
        share_escrow(ring, cluster.uid, snapshot.uid)


def _staged_dek(catalogue: sqlite3.Connection, cluster: ClusterRow) -> str | None:
    """The DEK that a change which is under way has made and not yet put in the place of the cluster's."""
    staged = {
        str(one.facts["dek"])
        for one in operations.unfinished_in(catalogue, cluster.uid)
        if one.facts.get("dek") not in (None, cluster.dek)
    }
    return staged.pop() if staged else None


def _require_unchanged(catalogue: sqlite3.Connection, cluster: ClusterRow) -> None:
    """In the commit that refers to its segments: the cluster's key is still the one that was looked at."""
    row = catalogue.execute("SELECT dek FROM cluster WHERE uid = ?", (cluster.uid,)).fetchone()
    if row is None or row[0] != cluster.dek:
        raise _changed(cluster)


def _require_one_form(catalogue: sqlite3.Connection, cluster: ClusterRow) -> None:
    """In the same commit: no other process is encrypting or decrypting the cluster, so that some of its rows lie in
    clear under a snapshot that is called encrypted (RE10). An encryption takes its first snapshot when all is sealed:
    the cluster is available by then."""
    for one in operations.unfinished_in(catalogue, cluster.uid):
        (status,) = catalogue.execute("SELECT status FROM cluster WHERE uid = ?", (cluster.uid,)).fetchone()
        if one.verb == operations.DECRYPT or (one.verb == operations.ENCRYPT and status != AVAILABLE):
            raise ConflictException(
                f"Cluster {cluster.name} is changed by another process ({one.verb}): a part of its rows lies in clear, "
                "and no snapshot is taken of that (RE10)",
                suggestion="Run the command again when that has ended.",
            )


def _changed(cluster: ClusterRow) -> ConflictException:
    return ConflictException(
        f"Cluster {cluster.name} was changed while its snapshot was taken", suggestion="Run the command again."
    )


def _note(catalogue: sqlite3.Connection, snapshot: SnapshotRow, message: str, site: Site) -> None:
    events.note(
        *(catalogue, snapshot.cluster_uid, snapshot.cluster, events.MANAGEMENT, events.INFO, message), at=site.now()
    )


def next_moment(catalogue: sqlite3.Connection) -> int:
    """A moment that no snapshot has, and that none ever gets again."""
    (moment,) = catalogue.execute(
        """INSERT INTO snapshot_clock (only_row, moment) VALUES (0, 1)
           ON CONFLICT (only_row) DO UPDATE SET moment = moment + 1 RETURNING moment"""
    ).fetchone()
    return int(moment)


def retake_with_all(
    site: Site,
    cluster: ClusterRow,
    ring: sqlite3.Connection,
    pointers: Mapping[str, str],
    expected: Mapping[str, str | None],
) -> bool:
    """``keyring.retake`` for the cluster and its snapshots. False, and nothing is done, when one that points at the
    cluster's CEK is not among ``pointers``: it was taken since they were listed, and is to come along."""
    late = sharing(ring, expected[cluster.uid]) - pointers.keys()
    if any(one.uid in late for one in of_cluster(site, cluster.uid)):
        return False
    retake(ring, pointers, expected)
    return True


def refer(
    catalogue: sqlite3.Connection, cluster: ClusterRow, snapshot: SnapshotRow, *, everything: bool = False
) -> None:
    """The snapshot has the cluster's segments as they are now; ``everything``: BACKUP NO tables too."""
    among = "t.cluster = ?" if everything else "t.cluster = ? AND t.backup"
    catalogue.execute(
        f"""INSERT INTO snapshot_table (snapshot, uid, name)
            SELECT ?, t.uid, t.name FROM data_table t WHERE {among}""",  # noqa: S608  # constants
        (snapshot.uid, cluster.uid),
    )
    catalogue.execute(
        f"""UPDATE snapshot SET moment = ?, bytes = (
               SELECT coalesce(sum(s.bytes), 0)
               FROM data_table t JOIN segment s ON s.data_table = t.uid WHERE {among})
           WHERE uid = ?""",  # noqa: S608  # constants
        (next_moment(catalogue), cluster.uid, snapshot.uid),
    )
    catalogue.execute(
        f"""INSERT INTO snapshot_load (snapshot, data_table, digest, ordinal)
            SELECT ?, l.data_table, l.digest, l.ordinal
            FROM load l JOIN data_table t ON t.uid = l.data_table WHERE {among}""",  # noqa: S608  # constants
        (snapshot.uid, cluster.uid),
    )
