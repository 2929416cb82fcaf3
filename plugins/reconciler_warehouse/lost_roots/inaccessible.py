"""A cluster whose root key is lost: disabled, pending deletion, destroyed, or no longer granted (RE8).

It becomes ``inaccessible-kms-key`` as soon as that is found, by due work or by the first call that needs the key. In
the same commit it gets a sealed backup: a snapshot of references that holds the cluster's wrapped keys once more. No
key is needed for it, since it carries the manifest that the cluster was sealed with. Nothing is read or changed until
the key is back; then the cluster is available again by itself. When the time is over it is released: the cluster goes,
its backup stays until somebody deletes that.

What is kept here is written without a key, so none of it is believed where it counts (I9): before each step the root
key is asked again, and a cluster is released only when its backup refers to all that it has. A deadline is policy (C8):
found over, it is told first, and nothing goes before a second look some time later that finds the same (I13).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

from reconciler.errors import (
    ConflictException,
    HsmError,
    ReconcilerError,
    ServiceError,
)
from reconciler.providers.warehouse import Inaccessibility, RootKeyState
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.backups import snapshots
from reconciler_warehouse.escrow_rows import share_escrow
from reconciler_warehouse.keyring import Cek, add_holding, cek_of, drop_holder, holdings, take
from reconciler_warehouse.lost_roots import recovery
from reconciler_warehouse.lost_roots.recovery import WAIT, day
from reconciler_warehouse.lost_roots.releasing import after_the_deadline, tell
from reconciler_warehouse.lost_roots.root_state import CURE, ERRORS, LOST, WHAT, is_in_key_service, root_state
from reconciler_warehouse.lost_roots.roots_due import to_look_into
from reconciler_warehouse.names import backup_name
from reconciler_warehouse.rows import ClusterRow, SnapshotRow, cluster_where, find_cluster, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, INACCESSIBLE, UNFINISHED
from reconciler_warehouse.upkeep.drafts import sweep

_PLAIN: Final = "a change of its encryption has left a part of it in clear (RE10)"


@contextmanager
def noticing(site: Site, name: str) -> Iterator[None]:
    """Around a call that needs the cluster's keys. One that is inaccessible is looked at again first, and is available
    when its key is back. A refusal of its root key makes it inaccessible; any other error is left as it is.

    The key service's error, under a message that names key, cause, deadline and way out.
    """
    found = find_cluster(site, name)
    with noticing_at(site, "" if found is None else found.uid):
        yield


@contextmanager
def noticing_at(site: Site, uid: str) -> Iterator[None]:
    """The same for the cluster of that uid, if there is one."""
    found = _find(site, uid)
    if found is not None and found.status == INACCESSIBLE and _look_at(site, found) is not None:
        raise _refusal(site, found)
    try:
        yield
    except LOST as error:
        found = _find(site, uid)
        if found is None or not _is_noticed(site, found):
            raise
        raise _refusal(site, found) from error
    except HsmError as error:
        if found is not None:
            _tell_of_hsm(site, found, error)
        raise


def _tell_of_hsm(site: Site, cluster: ClusterRow, error: HsmError) -> None:
    """The HSM could not be used: an event, once until something else happens to the cluster (HS7)."""
    message = f"Its HSM cannot be used: {error.summary}"
    with suppress(ReconcilerError), site.catalogue.write() as catalogue:
        if not events.is_last(catalogue, cluster.uid, message):
            about = (cluster.uid, cluster.name, events.MONITORING, events.ERROR)
            events.note(catalogue, *about, message, at=site.now())


def look_at_roots(site: Site) -> list[str]:
    """The due part: every cluster under a key of the key service whose root is lost, is back, or has been lost for too
    long. One call for all keys that are as they should be. A sentence for each thing that was done."""
    told: list[str] = []
    for doubtful in to_look_into(site):
        cluster = _find(site, doubtful.uid)
        if cluster is not None:
            with suppress(ServiceError, ConflictException):  # nobody can say now: at the next look
                told += _settle(site, cluster)
    return told


def _look_at(site: Site, cluster: ClusterRow) -> RootKeyState | None:
    """How the root of an inaccessible cluster is lost; None when it is back, and the cluster with it."""
    cek = _cek(site, cluster)
    if cek is None:
        return None
    state = root_state(site, cek)
    if state is RootKeyState.USABLE:
        if _bring_back(site, cluster):
            sweep(site)
        return None
    return state


def _is_noticed(site: Site, cluster: ClusterRow) -> bool:
    """Whether the cluster is inaccessible now. Who may not write here, or cannot ask again, leaves it as it is."""
    cek = _cek(site, cluster)
    if cek is None or not is_in_key_service(cek) or cluster.dek is None or cluster.status in UNFINISHED:
        return False
    with suppress(ReconcilerError):
        state = root_state(site, cek)
        if state is RootKeyState.USABLE:
            return False
        _mark(site, cluster, cek, state)
    now = _find(site, cluster.uid)
    return now is not None and now.status == INACCESSIBLE


def _settle(site: Site, cluster: ClusterRow) -> list[str]:
    """One cluster as due work sees it."""
    cek = _cek(site, cluster)
    if cek is None:
        return []
    state = root_state(site, cek)
    if state is RootKeyState.USABLE:
        return [f"Cluster {cluster.name} is available again."] if _bring_back(site, cluster) else []
    if cluster.status != INACCESSIBLE:
        _mark(site, cluster, cek, state)
        return [f"Cluster {cluster.name} is {INACCESSIBLE}: its root key {cek.root_arn} {WHAT[state]}."]
    _note_cause(site, cluster, cek, state)
    return after_the_deadline(site, cluster, cek)


def _mark(site: Site, cluster: ClusterRow, cek: Cek, state: RootKeyState) -> None:
    """Status, cause and backup in one commit. No-op when it is marked."""
    token = f"inaccessible/{cluster.uid}"
    with site.catalogue.read() as catalogue:
        left = None if catalogue is None else snapshot_where(catalogue, "token = ?", token)
        is_sealed = catalogue is not None and not _is_partly_plain(catalogue, cluster)
    if left is not None:  # of a call that was killed, or of an earlier loss that a change outlived
        now = _find(site, cluster.uid)
        if now is None or now.status == INACCESSIBLE:
            return
        snapshots.remove(site, left, why="was removed: it is made anew")
    backup = None
    if is_sealed:
        name = snapshots.free_name(site, backup_name(cluster.name, cluster.uid), token)
        backup = snapshots.reserve(site, cluster, name, snapshots.MANUAL, token)
    with site.catalogue.write() as catalogue:
        now = cluster_where(catalogue, "uid = ?", cluster.uid)
        if now is None or now.status == INACCESSIBLE or now.dek is None:
            return
        if backup is not None:
            _back_up(site, catalogue, now, cek, backup)
        at = site.now()
        catalogue.execute(
            """UPDATE cluster SET status = ?, status_before = ?, inaccessible_since = ?, inaccessible_cause = ?,
               inaccessible_backup = ?, inaccessible_overdue = NULL WHERE uid = ?""",
            (INACCESSIBLE, now.status, at.isoformat(), str(state), None if backup is None else backup.uid, cluster.uid),
        )
        kept = f"Its sealed backup is snapshot {backup.name}" if backup is not None else f"It has no backup: {_PLAIN}"
        tell(
            *(site, catalogue, cluster, events.ERROR),
            f"The cluster is {INACCESSIBLE}: its root key {cek.root_arn} {WHAT[state]}. {kept}; it waits until "
            f"{day(at + WAIT)}",
        )


def _is_partly_plain(catalogue: sqlite3.Connection, cluster: ClusterRow) -> bool:
    """Whether a change of its encryption has left rows in clear: no backup is made of such a cluster (RE10), since what
    is restored of it would be called encrypted; and so it is not released either."""
    found = catalogue.execute(
        """SELECT 1 FROM data_table t JOIN segment s ON s.data_table = t.uid JOIN key_table k ON k.id = s.key_table
           WHERE t.cluster = ? AND k.dek IS NULL LIMIT 1""",
        (cluster.uid,),
    )
    return found.fetchone() is not None


def _back_up(site: Site, catalogue: sqlite3.Connection, cluster: ClusterRow, cek: Cek, backup: SnapshotRow) -> None:
    """Fill the backup, inside the transaction that marks the cluster."""
    if snapshot_where(catalogue, "uid = ?", backup.uid) is None or _is_partly_plain(catalogue, cluster):
        raise _overtaken(cluster)
    _hold(site, cluster, cek, backup.uid)
    snapshots.refer(catalogue, cluster, backup, everything=True)
    catalogue.execute(
        "UPDATE snapshot SET status = ?, dek = ?, created_at = ?, expires_at = NULL WHERE uid = ?",
        (AVAILABLE, cluster.dek, site.now().isoformat(), backup.uid),
    )
    manifest.carry_over(catalogue, backup.uid, cluster.uid)


def _hold(site: Site, cluster: ClusterRow, cek: Cek, backup: str) -> None:
    """The backup holds all that the cluster holds, also what an interrupted change has not let go of."""
    with site.keyring.write() as ring:
        now = cek_of(ring, cluster.uid)
        if now is None or now.uid != cek.uid:
            raise _overtaken(cluster)
        drop_holder(ring, backup)
        for one in holdings(ring, cluster.uid, cek.uid):
            add_holding(ring, replace(one, holder=backup))
        take(ring, {backup: cek.uid}, {backup: None})
        share_escrow(ring, cluster.uid, backup)


def _bring_back(site: Site, cluster: ClusterRow) -> bool:
    """The root key opens again: the cluster goes on where it was, its backup goes. Whether that was done."""
    with site.catalogue.write() as catalogue:
        now = cluster_where(catalogue, "uid = ?", cluster.uid)
        if now is None or now.status != INACCESSIBLE:
            return False
        backup, before = catalogue.execute(
            "SELECT inaccessible_backup, status_before FROM cluster WHERE uid = ?", (cluster.uid,)
        ).fetchone()
        kept = snapshot_where(catalogue, "uid = ?", backup) if backup else None
        # Only what was made here for this: the row that says so was written without a key.
        if kept is not None and kept.token == f"inaccessible/{cluster.uid}":
            snapshots.remove_in(catalogue, site, kept, "was removed: the root key is back")
        under_way = operations.unfinished_in(catalogue, cluster.uid)
        catalogue.execute(
            """UPDATE cluster SET status = ?, status_before = NULL, inaccessible_since = NULL,
               inaccessible_cause = NULL, inaccessible_backup = NULL, inaccessible_overdue = NULL WHERE uid = ?""",
            (before if under_way and before else AVAILABLE, cluster.uid),
        )
        tell(site, catalogue, now, events.INFO, "Its root key is back: the cluster is available again")
    return True


def _note_cause(site: Site, cluster: ClusterRow, cek: Cek, state: RootKeyState) -> None:
    with site.catalogue.write() as catalogue:
        changed = catalogue.execute(
            "UPDATE cluster SET inaccessible_cause = ?1 WHERE uid = ?2 AND status = ?3 AND inaccessible_cause != ?1",
            (str(state), cluster.uid, INACCESSIBLE),
        )
        if changed.rowcount == 1:
            tell(site, catalogue, cluster, events.ERROR, f"Its root key {cek.root_arn} {WHAT[state]} now")


def _refusal(site: Site, cluster: ClusterRow) -> ServiceError:
    """What to say of an inaccessible cluster: key, cause, deadline, way out."""
    lost = recovery.told(site, [cluster.uid]).get(cluster.uid, recovery.Recovery()).inaccessible
    cek = _cek(site, cluster)
    if lost is None or cek is None:
        return ConflictException(
            f"Cluster {cluster.name} was changed by another process meanwhile", suggestion="Run the command again."
        )
    what, cure = WHAT[lost.cause], CURE[lost.cause]
    end = f"It waits for the key until {day(lost.deadline)}, and is released then"
    if site.now() >= lost.deadline:
        end = f"Its time was over on {day(lost.deadline)}, and applies release it unless the key is back"
    return ERRORS[lost.cause](
        f"Cluster {cluster.name} is {INACCESSIBLE} since {day(lost.since)}: its root key {cek.root_arn} {what}. {end}",
        suggestion=f"Bring the key back ({cure}): the cluster is available again by itself. {_of_backup(lost)}",
    )


def _of_backup(lost: Inaccessibility) -> str:
    if lost.backup is None:
        return f"It has no backup: {_PLAIN}; it is not released without one."
    if lost.escrow_arn is None:
        return f"Its sealed backup, snapshot {lost.backup}, opens with that key only: unrecoverable without it (RE14)."
    return (
        f"Or restore its sealed backup, snapshot {lost.backup}, to a new cluster under another key: the escrow key "
        f"{lost.escrow_arn} opens it."
    )


def _find(site: Site, uid: str) -> ClusterRow | None:
    with site.catalogue.read() as catalogue:
        return None if catalogue is None else cluster_where(catalogue, "uid = ?", uid)


def _cek(site: Site, cluster: ClusterRow) -> Cek | None:
    with site.keyring.read() as ring:
        return None if ring is None else cek_of(ring, cluster.uid)


def _overtaken(cluster: ClusterRow) -> ConflictException:
    return ConflictException(
        f"Cluster {cluster.name} was changed by another process meanwhile", suggestion="Run the command again."
    )
