"""Encrypting and decrypting a cluster while it is in use (RE2, RE9, RE10).

1. The *flip*: one commit, from which on new rows are written in the new form, by every process (``mode``).
2. Every segment is written again, by workers that lease portions of them (``workers``); reads go on all the while.
3. What was plain goes, as soon as no reader has it open; from the catalogue's log, too.
4. The first snapshot that is completed after that marks the end of an encryption; the last commit that of a decryption.

A kill anywhere leaves each segment whole in one form or the other, and the same call goes on with those that are left.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException
from reconciler.providers.data import Progress, Root, RootKind
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.backups import snapshots
from reconciler_warehouse.changes import left_behind
from reconciler_warehouse.changes.clusters import check_root, make_hierarchy
from reconciler_warehouse.changes.new_dek import name_dek
from reconciler_warehouse.changes.switching import root_of
from reconciler_warehouse.keys.hierarchy import OpenDeks, opened
from reconciler_warehouse.keys.roots import named
from reconciler_warehouse.names import automated_name
from reconciler_warehouse.online import ending, leases
from reconciler_warehouse.online.leases import Target
from reconciler_warehouse.online.workers import move_all
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import ClusterRow, cluster_at
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, RESIZING
from reconciler_warehouse.upkeep.drafts import drafts, sweep
from reconciler_warehouse.writing import carried_out

ENCRYPT: Final = operations.ENCRYPT
DECRYPT: Final = operations.DECRYPT
_FIRST_SNAPSHOT_KEPT: Final = timedelta(days=1)
_ATTEMPTS: Final = 20


def begin(site: Site, caller: Caller, cluster: ClusterRow, root: Root, token: str) -> Operation:
    """The migration's journal row. From here until its end the cluster is not called encrypted. It is what flips a
    decryption, too."""
    if root.kind is not RootKind.NONE:
        check_root(site, caller, root)
    verb = DECRYPT if root.kind is RootKind.NONE else ENCRYPT
    facts = {"kind": str(root.kind), "key": named(root) or ""}
    return operations.begin(site, cluster, token, verb, facts, status=RESIZING)


def encrypt(site: Site, caller: Caller, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """Off → on. New rows are encrypted at once; complete with the first snapshot after the last segment (RE10)."""
    if cluster.dek is None:
        # A decryption elsewhere may have ended after this call's first sweep: the old keys go before new ones are made
        # under the same holder, or they would go together. None can end from here on: this change is open.
        sweep(site)
        progress("the cluster's keys are made and verified", None, None)
    dek = cluster.dek or make_hierarchy(site, caller, cluster, root_of(operation), operation.token)
    target = Target(operation=operation.token, cluster=cluster.uid, dek=dek)
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        if cluster.dek is None:
            while not _flipped(site, cluster, operation, dek, deks):
                site.checkpoint()
            progress("new rows are encrypted from now on", None, None)
        if not _is_in_its_last_phase(site, cluster):
            move_all(site, target, deks, progress)
            ending.let_others_finish(site, cluster.uid, progress)
            _call_encrypted(site, cluster, operation, target, deks)
    _take_first_snapshot(site, cluster, operation, progress)
    with site.catalogue.write() as catalogue:
        if operations.is_open(catalogue, operation.token):
            ending.end(catalogue, target)
            said = f"Cluster {cluster.name} is encrypted: its first snapshot since was completed"
            events.note(catalogue, cluster.uid, cluster.name, events.SECURITY, events.INFO, said, at=site.now())


def decrypt(site: Site, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """On → off. New rows are plain at once. The keys go when the last segment is plain; snapshots keep theirs."""
    target = Target(operation=operation.token, cluster=cluster.uid, dek=None)
    progress("new rows are written in clear from now on", None, None)
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        move_all(site, target, deks, progress)
        with site.catalogue.write() as catalogue:
            if not operations.is_open(catalogue, operation.token):
                return
            with manifest.changing(catalogue, cluster.uid, deks):
                manifest.check(catalogue, "cluster", cluster.uid, cluster.name, deks)
                ending.require_moved(catalogue, target, cluster.name)
                catalogue.execute(
                    "UPDATE cluster SET dek = NULL, escrow_arn = NULL, rotated_at = NULL WHERE uid = ?", (cluster.uid,)
                )
            catalogue.execute("INSERT OR IGNORE INTO gone (holder) VALUES (?)", (cluster.uid,))
            catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (AVAILABLE, cluster.uid))
            ending.end(catalogue, target)
            said = f"Cluster {cluster.name} is not encrypted any more"
            events.note(catalogue, cluster.uid, cluster.name, events.SECURITY, events.INFO, said, at=site.now())


def _flipped(site: Site, cluster: ClusterRow, operation: Operation, dek: str, deks: OpenDeks) -> bool:
    """From this commit on new rows are encrypted. Tables marked BACKUP NO are not carried through (RE10): their rows go
    here, and whoever fills them again fills them encrypted. False, and nothing is committed, when a statement or a load
    changed which tables these are, or what columns they have, since it was looked at."""
    with drafts(site) as made:
        kept = left_behind.columns_kept(site, cluster.uid, dek, deks, made)
        with site.catalogue.write() as catalogue:
            operations.require_open(catalogue, operation.token)
            (now,) = catalogue.execute("SELECT dek FROM cluster WHERE uid = ?", (cluster.uid,)).fetchone()
            if now == dek:
                return True  # another process carries out the same call
            if not kept.is_still_so(catalogue, cluster.uid, deks):
                return False
            with manifest.changing(catalogue, cluster.uid, deks) as change:
                for name in left_behind.leave(catalogue, change, cluster.uid, kept.segments):
                    said = (
                        f"Table {name} is BACKUP NO: encrypting cluster {cluster.name} did not carry its rows through"
                    )
                    events.note(
                        *(catalogue, cluster.uid, cluster.name, events.MANAGEMENT, events.INFO, said), at=site.now()
                    )
                made.commit(catalogue)
                name_dek(catalogue, cluster, dek, deks, before=None)
                catalogue.execute(
                    "UPDATE cluster SET rotated_at = ? WHERE uid = ?", (site.now().isoformat(), cluster.uid)
                )
                carried_out.forget_texts(catalogue, cluster.uid)
        made.done()
    return True


def _is_in_its_last_phase(site: Site, cluster: ClusterRow) -> bool:
    """Whether all is encrypted, and only the first snapshot is missing."""
    return cluster.dek is not None and cluster_at(site, cluster.uid).status != RESIZING


def _call_encrypted(  # whose, by which change
    site: Site, cluster: ClusterRow, operation: Operation, target: Target, deks: OpenDeks
) -> None:
    """Every segment is sealed, and no plaintext is left: from here on the cluster is called encrypted, which is not
    done before its first snapshot is (``awaits_snapshot``)."""
    with site.catalogue.write() as catalogue:
        if not operations.is_open(catalogue, operation.token):
            return
        manifest.check(catalogue, "cluster", cluster.uid, cluster.name, deks)
        ending.require_moved(catalogue, target, cluster.name)
        catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (AVAILABLE, cluster.uid))
        leases.drop(catalogue, operation.token)
        said = f"All data of cluster {cluster.name} are encrypted; it waits for its first snapshot"
        events.note(catalogue, cluster.uid, cluster.name, events.SECURITY, events.INFO, said, at=site.now())


def _take_first_snapshot(site: Site, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """Rows are written while it is taken: what it refers to is one commit of theirs."""
    progress("the first snapshot is taken", None, None)
    token = f"{operation.token}/automated"
    for attempt in range(_ATTEMPTS):
        now = cluster_at(site, cluster.uid)
        name = snapshots.free_name(site, automated_name(now.name, site.now()), token)
        try:
            snapshots.create(site, now, name, keep=_FIRST_SNAPSHOT_KEPT, token=token, kind=snapshots.AUTOMATED)
            return
        except ConflictException:
            if attempt == _ATTEMPTS - 1:
                raise
            site.clock.sleep(_PAUSE)


_PAUSE: Final = 0.05
