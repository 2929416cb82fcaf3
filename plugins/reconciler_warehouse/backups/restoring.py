"""A snapshot becomes a cluster: new rows that refer to the same immutable files and key tables; no data is written.

What was sealed keeps the ids that it was sealed with (``segment.identity``), so nothing is sealed anew. The cluster
gets a CEK of its own under its root; under that the snapshot's DEKs, which open what was restored, and a new DEK, under
which it writes from its first write on (I6): nobody who had the snapshot's keys opens what comes later.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore, InvalidClusterStateFault
from reconciler.providers.data import ClusterRequest, Progress, Root, RootKind
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.backups.snapshots import available, gone
from reconciler_warehouse.changes import clusters
from reconciler_warehouse.changes.clusters import adopt_for
from reconciler_warehouse.keyring import cek_of, holdings, take
from reconciler_warehouse.keys.hierarchy import OpenDeks, open_cek, opened, stage_cek, stage_deks, unstage
from reconciler_warehouse.keys.roots import named
from reconciler_warehouse.lost_roots import escrow
from reconciler_warehouse.rows import ClusterRow, SnapshotRow, cluster_where, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, RESIZING, UNFINISHED
from reconciler_warehouse.upkeep.drafts import sweep


def restore_cluster(
    site: Site, caller: Caller, request: ClusterRequest, name: str, *, progress: Progress, token: str
) -> None:
    """The cluster that is asked for, made of the snapshot; no-op when the token made it.

    Of a plaintext snapshot under a root: it is made as it was, and its encryption is begun by the same commit, for
    whoever goes on to carry out. AlreadyExistsException, ResourceNotFoundException; InvalidClusterStateFault for a
    sealed snapshot that is to be restored without encryption.
    """
    with site.catalogue.read() as catalogue:
        known = None if catalogue is None else cluster_where(catalogue, "token = ?", token)
    if known is not None and known.status not in UNFINISHED:
        return
    snapshot = available(site, name)
    if snapshot.dek is not None and request.root.kind is RootKind.NONE:
        raise InvalidClusterStateFault(
            f"Snapshot {name} is encrypted; a cluster without encryption is not made of it",
            suggestion="Restore it under a key, then switch the encryption of the cluster off, if that is meant.",
        )
    with _opened_snapshot(site, snapshot) as held:
        with site.catalogue.read() as catalogue:  # before anything is made for it
            if catalogue is not None:
                manifest.check_root(catalogue, "snapshot", snapshot.uid, name, held)
        cluster = _begun(site, caller, request, held, token)
        if cluster is None:
            return
        dek = None
        if snapshot.dek is not None:
            progress(f"keys for {request.name} made and verified", None, None)
            dek = _keys(site, caller, cluster, request.root, held, token)
        progress(f"tables of {name} referred to", None, None)
        with (
            opened(site, cluster.uid, f"Cluster {cluster.name}") as deks,
            clusters.making(site, cluster) as catalogue,
        ):
            if catalogue is None:
                return
            _require_there(catalogue, snapshot)
            manifest.check(catalogue, "snapshot", snapshot.uid, name, held)
            for table, table_name in _tables(catalogue, snapshot):
                add_table(site, catalogue, cluster.uid, snapshot, table, (site.uid(), table_name))
            catalogue.execute(
                "UPDATE cluster SET status = ?, dek = ?, rotated_at = ? WHERE uid = ?",
                (AVAILABLE, dek, None if dek is None else site.now().isoformat(), cluster.uid),
            )
            manifest.seal_new_cluster(catalogue, cluster.uid, deks)
            if dek is None and request.root.kind is not RootKind.NONE:
                _begin_encryption(catalogue, cluster, request.root, token)
            message = f"Cluster {cluster.name} was restored from snapshot {name}"
            events.note(*(catalogue, cluster.uid, cluster.name, events.MANAGEMENT, events.INFO, message), at=site.now())


def add_table(  # noqa: PLR0917  # what of whom goes where
    site: Site, catalogue: sqlite3.Connection, cluster: str, snapshot: SnapshotRow, table: str, new: tuple[str, str]
) -> None:
    """A table of the cluster, ``new`` being its uid and name, with references to the segments that the snapshot's
    ``table`` has. Each row gets a uid of its own, so that its next file has a name that was never used (I4), and
    remembers what it was made as."""
    uid, name = new
    is_backed_up = table not in manifest.left_out_of_backups(catalogue, snapshot.uid)
    catalogue.execute(
        "INSERT INTO data_table (uid, cluster, name, backup) VALUES (?,?,?,?)", (uid, cluster, name, is_backed_up)
    )
    rows = catalogue.execute(
        """SELECT s.uid, s.ordinal, s.file, s.key_table, s.rows, s.bytes, s.delete_vector, s.identity, k.generation
           FROM snapshot_segment s JOIN key_table k ON k.id = s.key_table
           WHERE s.snapshot = ? AND s.data_table = ? ORDER BY s.ordinal""",
        (snapshot.uid, table),
    ).fetchall()
    catalogue.executemany(
        """INSERT INTO segment (uid, data_table, ordinal, file, key_table, rows, bytes, delete_vector, identity,
                                next_generation) VALUES (?,?,?,?,?,?,?,?,?,?)""",
        [(site.uid(), uid, *row[1:7], row[7] or f"{snapshot.origin}/{table}/{row[0]}", row[8] + 1) for row in rows],
    )
    catalogue.execute(
        """INSERT INTO load (data_table, digest, ordinal)
           SELECT ?, digest, ordinal FROM snapshot_load WHERE snapshot = ? AND data_table = ?""",
        (uid, snapshot.uid, table),
    )


def _opened_snapshot(site: Site, snapshot: SnapshotRow) -> AbstractContextManager[OpenDeks]:
    """The snapshot's DEKs: through its escrow key when its root is lost (RE14)."""
    return escrow.opened_by_any(site, snapshot.uid, f"Snapshot {snapshot.name}")


def _begun(site: Site, caller: Caller, request: ClusterRequest, held: OpenDeks, token: str) -> ClusterRow | None:
    """As ``clusters.begin``. What an interrupted run made for another snapshot of the same name goes first: its keys
    would be in the way."""
    cluster = clusters.begin(site, caller, request, token)
    if cluster is None:
        return None
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, cluster.uid)
        there = set() if ring is None or cek is None else {one.dek for one in holdings(ring, cluster.uid, cek.uid)}
    if there and not set(held) < there:
        clusters.remove(site, cluster, unfinished_only=True)
        sweep(site)
        return clusters.begin(site, caller, request, token)
    return cluster


def _keys(  # noqa: PLR0917  # under what, for whom
    site: Site, caller: Caller, cluster: ClusterRow, root: Root, held: OpenDeks, operation: str
) -> str:
    """The new cluster's CEK, and under it its new DEK (whose uid this is) and the snapshot's. Taken up where it was
    left."""
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, cluster.uid)
        there = [] if ring is None or cek is None else holdings(ring, cluster.uid, cek.uid)
    if cek is not None and cek.operation == operation:
        (dek,) = {one.dek for one in there} - set(held)
        return dek
    adopted = adopt_for(site, caller, cluster, root)
    unstage(site, operation)
    staged = stage_cek(site, adopted, cluster.uid, operation)
    dek = site.uid()
    with (
        DataKey.generate(site.random) as made,
        open_cek(site, staged, f"Cluster {cluster.name}", adopted) as key,
    ):
        stage_deks(site, staged, key, cluster.uid, {dek: made, **held}, primary=dek)
    with site.keyring.write() as ring:
        take(ring, {cluster.uid: staged.uid}, {cluster.uid: None if cek is None else cek.uid})
    return dek


def _begin_encryption(catalogue: sqlite3.Connection, cluster: ClusterRow, root: Root, token: str) -> None:
    """In the commit that makes the cluster: nobody ever sees it as one that is to stay in clear."""
    facts = {"kind": str(root.kind), "key": named(root) or ""}
    operations.begin_in(
        catalogue, cluster.uid, f"{token}/encrypt", operations.ENCRYPT, facts, status=RESIZING, proof=None
    )


def _require_there(catalogue: sqlite3.Connection, snapshot: SnapshotRow) -> None:
    """From this commit on the new rows keep the files; until then the snapshot has to."""
    now = snapshot_where(catalogue, "uid = ?", snapshot.uid)
    if now is None:
        raise gone(snapshot)
    if now.dek != snapshot.dek:
        raise DamagedStore(f"Snapshot {snapshot.name} is not what it was a moment ago: it has another key")


def _tables(catalogue: sqlite3.Connection, snapshot: SnapshotRow) -> list[tuple[str, str]]:
    return catalogue.execute(
        "SELECT uid, name FROM snapshot_table WHERE snapshot = ? ORDER BY name", (snapshot.uid,)
    ).fetchall()
