"""Encrypting and decrypting a cluster in place (RE2, RE9, RE10): every segment is written again in its new form.

One segment at a time: intent row → new file, durable → one commit that compares and swaps (key table old → new) and
puts the old file into the trash. Reads go on all the while; a crash anywhere leaves each segment whole in one form or
the other, and the same call goes on with those that are left.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException, DamagedStore
from reconciler.providers.data import Progress, Root, RootKind
from reconciler_warehouse import copy_settings, manifest, operations, snapshots
from reconciler_warehouse.clusters import check_root, make_hierarchy
from reconciler_warehouse.drafts import drafts, let_go_of, sweep
from reconciler_warehouse.hierarchy import OpenDeks, key_named, opened
from reconciler_warehouse.key_tables import KeyTable, open_table, seal_table
from reconciler_warehouse.names import automated_name
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.raw_samples import require_ciphertext
from reconciler_warehouse.roots import named
from reconciler_warehouse.rows import (
    ClusterRow,
    SegmentRow,
    add_key_table,
    cluster_where,
    segments_not_under,
)
from reconciler_warehouse.segment_files import BlockEncoder, StoredSegment, transformed
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, RESIZING
from reconciler_warehouse.switching import root_of

ENCRYPT: Final = operations.ENCRYPT
DECRYPT: Final = operations.DECRYPT


def begin(site: Site, caller: Caller, cluster: ClusterRow, root: Root, token: str) -> Operation:
    """The migration's journal row. From here until its end the cluster is not called encrypted."""
    if root.kind is not RootKind.NONE:
        check_root(site, caller, root)
    verb = DECRYPT if root.kind is RootKind.NONE else ENCRYPT
    facts = {"kind": str(root.kind), "key": named(root) or ""}
    return operations.begin(site, cluster, token, verb, facts, status=RESIZING)


def encrypt(site: Site, caller: Caller, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """Off → on. New writes are encrypted at once; complete with the first snapshot after the last segment (RE10)."""
    if cluster.dek is None:
        # A decryption elsewhere may have ended after this call's first sweep: the old keys go before new ones are made
        # under the same holder, or they would go together. None can end from here on: this change is open.
        sweep(site)
    dek = cluster.dek or make_hierarchy(site, caller, cluster, root_of(operation), operation.token)
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        if cluster.dek is None:
            with site.catalogue.write() as catalogue, manifest.changing(catalogue, cluster.uid, deks):
                operations.require_open(catalogue, operation.token)
                copy_settings.vouch_anew(catalogue, cluster.uid, cluster.name, before=None, dek=dek, deks=deks)
                catalogue.execute(
                    "UPDATE cluster SET dek = ?, rotated_at = ? WHERE uid = ?",
                    (dek, site.now().isoformat(), cluster.uid),
                )
        _move_all(site, cluster, operation, dek, deks=deks, progress=progress)
    sweep(site)  # the plaintext goes before the cluster is called encrypted, from the catalogue's log too
    site.catalogue.forget_the_past()
    with site.catalogue.read() as read:
        now = (None if read is None else cluster_where(read, "uid = ?", cluster.uid)) or cluster
    name = snapshots.free_name(site, automated_name(cluster.name, site.now()), f"{operation.token}/automated")
    snapshots.create(
        *(site, now, name),
        keep=timedelta(days=1),
        token=f"{operation.token}/automated",
        kind=snapshots.AUTOMATED,
    )
    with site.catalogue.write() as catalogue:
        operations.require_open(catalogue, operation.token)
        catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (AVAILABLE, cluster.uid))
        operations.finish(catalogue, operation.token)


def decrypt(site: Site, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """On → off. The keys go when the last segment is plain; snapshots keep theirs."""
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        _move_all(site, cluster, operation, None, deks=deks, progress=progress)
        with site.catalogue.write() as catalogue, manifest.changing(catalogue, cluster.uid, deks):
            operations.require_open(catalogue, operation.token)
            manifest.check(catalogue, "cluster", cluster.uid, cluster.name, deks)
            if segments_not_under(catalogue, cluster.uid, None, 1):
                # Loaded by another process since the last segment was moved: its keys must not go (I1).
                raise ConflictException(
                    f"Rows were loaded into cluster {cluster.name} while it was decrypted",
                    suggestion="Run the command again: it goes on with what is left.",
                )
            catalogue.execute(
                "UPDATE cluster SET dek = NULL, rotated_at = NULL, status = ? WHERE uid = ?", (AVAILABLE, cluster.uid)
            )
            catalogue.execute("INSERT OR IGNORE INTO gone (holder) VALUES (?)", (cluster.uid,))
            operations.finish(catalogue, operation.token)


def _move_all(
    site: Site, cluster: ClusterRow, operation: Operation, dek: str | None, *, deks: OpenDeks, progress: Progress
) -> None:
    done = 0
    while True:
        with site.catalogue.read() as catalogue:
            row = None if catalogue is None else cluster_where(catalogue, "uid = ?", cluster.uid)
            left = [] if catalogue is None else segments_not_under(catalogue, cluster.uid, dek, 1)
            if catalogue is not None:
                manifest.check(catalogue, "cluster", cluster.uid, cluster.name, deks)
        if row is None or not left:
            return
        _move(site, row, left[0], operation, dek, deks=deks)
        done += 1
        progress("segments written again", done, None)
        site.checkpoint()


def _move(
    site: Site, cluster: ClusterRow, segment: SegmentRow, operation: Operation, dek: str | None, *, deks: OpenDeks
) -> None:
    identity = segment.identity(cluster.uid)
    before = open_table(segment.body, identity, segment.generation, dek=segment.dek, key=deks.get(segment.dek or ""))
    with site.catalogue.write() as catalogue:
        operations.require_open(catalogue, operation.token)
        numbered = catalogue.execute(
            "UPDATE segment SET next_generation = next_generation + 1 WHERE uid = ? RETURNING next_generation - 1",
            (segment.uid,),
        ).fetchone()
        if numbered is None:
            raise _moved_on()
    (generation,) = numbered
    file = f"{segment.uid}.{generation}"
    encoder = BlockEncoder(identity.blocks(), site.random, sealed=dek is not None)
    with drafts(site) as made:
        with closing(StoredSegment(site.segments, segment.file, before, identity.blocks())) as stored:
            try:
                made.write(file, transformed(stored, encoder), inline=site.segments.is_inline(segment.file))
            except DamagedStore:
                if _is_moved_on(site, segment):  # and swept: no damage
                    raise _moved_on() from None
                raise
        after = KeyTable(
            sealed=dek is not None,
            size=before.size,
            block_bytes=before.block_bytes,
            rows=before.rows,
            schema=before.schema,
            zones=before.zones,
            entries=encoder.entries,
        )
        require_ciphertext(made, file, after, identity.blocks())
        body = (
            after.encode()
            if dek is None
            else seal_table(after, identity, generation, dek=dek, key=key_named(deks, dek), random=site.random)
        )
        with site.catalogue.write() as catalogue, manifest.changing(catalogue, cluster.uid, deks) as change:
            operations.require_open(catalogue, operation.token)
            change.touch(segment.table, [segment.ordinal])
            made.commit(catalogue)
            key_table = add_key_table(catalogue, segment.uid, generation, dek, body)
            swapped = catalogue.execute(
                "UPDATE segment SET file = ?, key_table = ? WHERE uid = ? AND key_table = ?",
                (file, key_table, segment.uid, segment.key_table),
            )
            if swapped.rowcount != 1:
                raise _moved_on()
            let_go_of(catalogue, [segment.file], [segment.key_table])
        made.done()


def _is_moved_on(site: Site, segment: SegmentRow) -> bool:
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute("SELECT key_table FROM segment WHERE uid = ?", (segment.uid,)).fetchone()
    return row is None or row[0] != segment.key_table


def _moved_on() -> ConflictException:
    return ConflictException(
        "A segment was changed by another process meanwhile; nothing of this step was committed",
        suggestion="Run the command again.",
    )
