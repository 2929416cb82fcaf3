"""One table of a cluster's own snapshot, beside what the cluster has (RE11).

The files stay; what opens them, key tables and delete vectors, goes under the cluster's key of now. So the cluster
needs no other key than its own for it, and whoever has the snapshot's keys alone learns nothing of what it becomes.
"""

from __future__ import annotations

import sqlite3

from reconciler.errors import (
    AlreadyExistsException,
    ConflictException,
    InvalidClusterStateFault,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.data import Progress
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.backups.restoring import add_table
from reconciler_warehouse.backups.snapshots import available, gone
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.key_tables import open_table, seal_table
from reconciler_warehouse.keys.hierarchy import OpenDeks, key_named, opened
from reconciler_warehouse.loading.table_names import check_table_name
from reconciler_warehouse.rows import ClusterRow, SnapshotRow, add_key_table, segments_of_table, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import let_go_of

VERB = operations.RESTORE_TABLE


def restore_table(
    site: Site,
    cluster: ClusterRow,
    snapshot_name: str,
    table: str,
    new_name: str,
    *,
    progress: Progress,
    token: str,
) -> None:
    """The table as the snapshot has it, under ``new_name``, BACKUP NO when ``table`` is that today; no-op when the
    token did it.

    InvalidClusterStateFault between a plaintext snapshot and an encrypted cluster, or the other way round (RE11);
    AlreadyExistsException for a name in use; ResourceNotFoundException; ValidationException for another cluster's
    snapshot.
    """
    done = operations.find(site, token)
    if done is not None and done.finished and done.verb == VERB:
        return
    check_table_name(new_name)
    snapshot = available(site, snapshot_name)
    _require_fitting(cluster, snapshot)
    uid = _table(site, snapshot, table)
    progress(f"{table} of {snapshot_name} restored as {new_name}", None, None)
    with (
        opened(site, snapshot.uid, f"Snapshot {snapshot.name}") as held,
        opened(site, cluster.uid, f"Cluster {cluster.name}") as deks,
        site.catalogue.write() as catalogue,
    ):
        _require_free(catalogue, cluster, new_name)
        if snapshot_where(catalogue, "uid = ?", snapshot.uid) is None:
            raise gone(snapshot)
        manifest.check(catalogue, "snapshot", snapshot.uid, snapshot.name, held)
        with manifest.changing(catalogue, cluster.uid, deks) as change:
            change.require_live(cluster.dek)
            made = site.uid()
            change.touch(made, _ordinals(catalogue, snapshot, uid))
            add_table(site, catalogue, cluster.uid, snapshot, uid, (made, new_name))
            _mark_as_now(catalogue, cluster, made, (uid, table))
            _seal_anew(site, catalogue, cluster, made, {**held, **deks})
        operations.note_done(
            *(catalogue, cluster.uid, token, VERB), {"snapshot": snapshot.uid, "table": table, "name": new_name}
        )
        message = f"Table {table} of snapshot {snapshot.name} was restored as {new_name}"
        events.note(*(catalogue, cluster.uid, cluster.name, events.MANAGEMENT, events.INFO, message), at=site.now())


def _require_fitting(cluster: ClusterRow, snapshot: SnapshotRow) -> None:
    if snapshot.cluster_uid != cluster.uid or snapshot.source_region is not None:
        raise ValidationException(
            f"Snapshot {snapshot.name} was not taken of cluster {cluster.name} here: a table is restored from a "
            "cluster's own snapshot",
            suggestion="Restore the snapshot to a cluster of its own.",
        )
    if snapshot.dek is None and cluster.dek is not None:
        raise InvalidClusterStateFault(
            f"Snapshot {snapshot.name} was taken before cluster {cluster.name} was encrypted: a single table of it "
            "cannot be restored into the encrypted cluster (RE11)",
            suggestion="Restore the snapshot to a cluster of its own, under a key, and take the table from there.",
        )
    if snapshot.dek is not None and cluster.dek is None:
        raise InvalidClusterStateFault(
            f"Snapshot {snapshot.name} is encrypted and cluster {cluster.name} no longer is: its table would come to "
            "lie in clear",
            suggestion="Encrypt the cluster again, or restore the snapshot to a cluster of its own.",
        )


def _require_free(catalogue: sqlite3.Connection, cluster: ClusterRow, name: str) -> None:
    if operations.unfinished_in(catalogue, cluster.uid):
        raise ConflictException(
            f"The keys of cluster {cluster.name} are being changed by another process",
            suggestion="Run the command again when that has ended.",
        )
    if catalogue.execute("SELECT 1 FROM data_table WHERE cluster = ? AND name = ?", (cluster.uid, name)).fetchone():
        raise AlreadyExistsException(
            f"Cluster {cluster.name} has a table {name} already", suggestion="Choose another name for the restored one."
        )


def _table(site: Site, snapshot: SnapshotRow, name: str) -> str:
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute(
                "SELECT uid FROM snapshot_table WHERE snapshot = ? AND name = ?", (snapshot.uid, name)
            ).fetchone()
    if row is None:
        raise ResourceNotFoundException(
            f"Snapshot {snapshot.name} has no table {name}",
            suggestion="Tables marked BACKUP NO are in no snapshot (RE10).",
        )
    return str(row[0])


def _ordinals(catalogue: sqlite3.Connection, snapshot: SnapshotRow, table: str) -> list[int]:
    rows = catalogue.execute(
        "SELECT ordinal FROM snapshot_segment WHERE snapshot = ? AND data_table = ?", (snapshot.uid, table)
    )
    return [ordinal for (ordinal,) in rows]


def _mark_as_now(catalogue: sqlite3.Connection, cluster: ClusterRow, made: str, of: tuple[str, str]) -> None:
    """BACKUP NO when the table that it was restored of, or what is called so today, is that by now: a table whose rows
    are to be in no backup does not come into the next one by way of an older one."""
    catalogue.execute(
        """UPDATE data_table SET backup = 0 WHERE uid = ?1 AND EXISTS (
               SELECT 1 FROM data_table WHERE cluster = ?2 AND NOT backup AND (uid = ?3 OR name = ?4))""",
        (made, cluster.uid, *of),
    )


def _seal_anew(site: Site, catalogue: sqlite3.Connection, cluster: ClusterRow, table: str, keys: OpenDeks) -> None:
    """What opens the new table's segments, under the cluster's live key. A plain cluster has none."""
    if cluster.dek is None:
        return
    for one in segments_of_table(catalogue, table):
        identity = one.identity(cluster.uid)
        if one.dek != cluster.dek:
            opened_table = open_table(one.body, identity, one.generation, dek=one.dek, key=keys.get(one.dek or ""))
            generation = one.generation + 1
            body = seal_table(
                *(opened_table, identity, generation),
                dek=cluster.dek,
                key=key_named(keys, cluster.dek),
                random=site.random,
            )
            number = add_key_table(catalogue, one.uid, generation, cluster.dek, body)
            catalogue.execute(
                "UPDATE segment SET key_table = ?, next_generation = ? WHERE uid = ?", (number, generation + 1, one.uid)
            )
            let_go_of(catalogue, [], [one.key_table])
        delete_vectors.reseal(catalogue, one.uid, identity, dek=cluster.dek, deks=keys, random=site.random)
