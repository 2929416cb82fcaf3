"""What an apply will do by itself, said beforehand: by the functions that decide it then, read as it will find things
(RE2). No key is used, nothing is written; the key service is asked at most how its keys are."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.model.due_work import DueWork
from reconciler.providers.warehouse import RootKeyState
from reconciler_warehouse import describe
from reconciler_warehouse.lost_roots import recovery, roots_due
from reconciler_warehouse.lost_roots.recovery import Stage, day
from reconciler_warehouse.lost_roots.root_state import WHAT
from reconciler_warehouse.lost_roots.roots_due import Doubtful
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import INACCESSIBLE
from reconciler_warehouse.stored_values import moment
from reconciler_warehouse.upkeep import due
from reconciler_warehouse.upkeep.due import Outlook
from reconciler_warehouse.writing import joinable

_ENDS_WITH_A_SNAPSHOT = "encrypt"


def due_work(site: Site, at: datetime, leave: Collection[str] = ()) -> list[DueWork]:
    """See ``ListsDueWork.due_work``. First retention, then in the order of ``due_work.run``, each part as those before
    it leave things."""
    roots = _roots(site, at)
    begun = due.interrupted(site, Outlook(lost=roots.lost, ready=roots.back))
    outlook = Outlook(at=at, lost=roots.lost, ready=roots.back.union(uid for uid, _, _ in begun))
    snapshots = due.snapshots(site, outlook)
    encrypted = [(uid, name) for uid, name, verbs in begun if _ENDS_WITH_A_SNAPSHOT in verbs.split(",")]
    return [
        *(_removed(name, since) for name, since in describe.expired(site, at=at).items()),
        *roots.found,
        *(_carried_on(name, verbs) for _, name, verbs in begun if name not in leave),
        *(_taken(one.cluster, one.at) for one in snapshots),
        *(_copied(one.snapshot, one.region, one.taken_at) for one in due.copies(site, outlook)),
        *_copied_when_taken(site, [*encrypted, *((one.cluster_uid, one.cluster) for one in snapshots)], at),
        *_compacted(site, outlook),
    ]


# --- root keys (RE8) --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Roots:
    """What the look at root keys will do. ``lost``: clusters (uids) that nothing else is done to after it; ``back``:
    those that are available again."""

    found: list[DueWork] = field(default_factory=list)
    lost: frozenset[str] = frozenset()
    back: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A cluster that waits for its root key, as the catalogue has it."""

    over: datetime
    stage: Stage
    cause: str
    backup: str | None
    is_whole: bool


def _roots(site: Site, at: datetime) -> _Roots:
    doubtful = roots_due.to_look_into(site)
    states = roots_due.told_of(site, {one.root_arn for one in doubtful})
    made = _Roots()
    for one in doubtful:
        state = states.get(one.root_arn)
        if one.status != INACCESSIBLE:
            if state not in (None, RootKeyState.USABLE):  # else it changed a moment ago
                made.lost |= {one.uid}
                made.found.append(_marked(one, state))
            continue
        waiting = _waiting(site, one, at)
        if waiting is None:
            continue
        if state is RootKeyState.USABLE and waiting.cause != RootKeyState.ACCESS_REMOVED:
            made.back |= {one.uid}
            made.found.append(_about(one, f"is available again: its root key {one.root_arn} can be used"))
            continue
        made.lost |= {one.uid}
        made.found += _still_lost(one, state, waiting)
    return made


def _waiting(site: Site, one: Doubtful, at: datetime) -> _Waiting | None:
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute(
                """SELECT c.inaccessible_since, c.inaccessible_overdue, c.inaccessible_cause, n.uid, n.name
                   FROM cluster c LEFT JOIN snapshot n ON n.uid = c.inaccessible_backup
                   WHERE c.uid = ? AND c.status = ?""",
                (one.uid, INACCESSIBLE),
            ).fetchone()
        if catalogue is None or row is None:
            return None
        since, overdue, cause, uid, name = row
        stage = recovery.stage(moment(since), None if overdue is None else moment(overdue), at)
        is_whole = stage is Stage.RELEASED and recovery.is_whole(site, catalogue, one.uid, uid)
    return _Waiting(over=moment(since) + recovery.WAIT, stage=stage, cause=cause, backup=name, is_whole=is_whole)


def _marked(one: Doubtful, state: RootKeyState) -> DueWork:
    what = f"becomes {INACCESSIBLE} and is backed up"
    if state is RootKeyState.ACCESS_REMOVED:  # that it may not be looked at does not say for sure that it does not open
        return _about(one, f"{what} if its root key {one.root_arn} does not open: it may not be looked at any more")
    return _about(one, f"{what}: its root key {one.root_arn} {WHAT[state]}")


def _still_lost(one: Doubtful, state: RootKeyState | None, waiting: _Waiting) -> list[DueWork]:
    """What becomes of a cluster whose root key is not known to be back."""
    # A key that may be looked at may not therefore be used, and of one that nobody can ask nothing is known.
    sure = None if state is RootKeyState.USABLE else state
    unless = f", unless its root key {one.root_arn} opens again" if sure is None else ""
    if waiting.stage is Stage.OVER:
        later = recovery.SECOND_LOOK // timedelta(minutes=1)
        what = (
            f"waited in vain until {day(waiting.over)}, which is noted: the first apply {later} minutes later or more "
        )
        return [_about(one, f"{what}gives it up (RE8){unless}", waiting.over)]
    if waiting.stage is Stage.RELEASED and waiting.is_whole:
        what = f"is given up (RE8), its time being over; its backup, snapshot {waiting.backup}, stays"
        return [_about(one, f"{what}{unless}", waiting.over, removes_data=True)]
    if waiting.stage is Stage.RELEASED:
        kept = _about(one, f"is not given up, since its backup is not whole{unless}", waiting.over)
        return [kept] if sure is None else [kept, _marked(one, sure)]  # the look after the plan makes another
    if state is RootKeyState.USABLE:
        return [_about(one, f"is available again if its root key {one.root_arn} opens")]
    return []


def _about(one: Doubtful, what: str, since: datetime | None = None, *, removes_data: bool = False) -> DueWork:
    return DueWork(
        what=f"Cluster {one.name} {what}.", kind="cluster", name=one.name, since=since, removes_data=removes_data
    )


# --- everything else --------------------------------------------------------------------------------------------------


def _carried_on(name: str, verbs: str) -> DueWork:
    what = f"Cluster {name}: the change that was begun and has not ended ({verbs.replace(',', ', ')}) is completed."
    return DueWork(what=what, kind="cluster", name=name)


def _removed(name: str, since: datetime) -> DueWork:
    what = f"Snapshot {name} is removed for good: its retention is over."
    return DueWork(what=what, kind="snapshot", name=name, since=since, removes_data=True)


def _taken(cluster: str, since: datetime) -> DueWork:
    what = f"A snapshot of cluster {cluster} is taken by schedule."
    return DueWork(what=what, kind="cluster", name=cluster, since=since)


def _copied(snapshot: str, region: str, since: datetime) -> DueWork:
    return DueWork(what=f"Snapshot {snapshot} is copied to {region}.", kind="snapshot", name=snapshot, since=since)


def _copied_when_taken(site: Site, taken: Collection[tuple[str, str]], at: datetime) -> list[DueWork]:
    """Copies of snapshots that are yet to be taken, of these clusters (uids and names)."""
    with site.catalogue.read() as catalogue:
        if catalogue is None or not taken:
            return []
        rows = catalogue.execute(
            """SELECT cluster, region FROM snapshot_copy WHERE cluster IN (SELECT value FROM json_each(?))
               AND provider IS NOT NULL AND since <= ?""",
            (json.dumps([uid for uid, _ in taken]), at.isoformat()),
        ).fetchall()
    return [
        DueWork(what=f"That snapshot of cluster {name} is copied to {region}.", kind="cluster", name=name)
        for uid, name in taken
        for cluster, region in rows
        if cluster == uid
    ]


def _compacted(site: Site, outlook: Outlook) -> list[DueWork]:
    found = [(one.cluster_uid, one.cluster, one.table) for one in joinable.due(site)]
    with site.catalogue.read() as catalogue:
        if catalogue is not None and outlook.ready:
            tables = catalogue.execute(
                """SELECT c.uid, c.name, t.name, t.uid FROM data_table t JOIN cluster c ON c.uid = t.cluster
                   WHERE c.uid IN (SELECT value FROM json_each(?)) ORDER BY c.name, t.name""",
                (json.dumps(sorted(outlook.ready)),),
            ).fetchall()
            found += [
                (uid, cluster, table)
                for uid, cluster, table, table_uid in tables
                if joinable.to_join(catalogue, table_uid, fewest=joinable.FEWEST)
            ]
    return [
        DueWork(what=f"Table {table} of cluster {cluster} is compacted.", kind="cluster", name=cluster)
        for uid, cluster, table in sorted(set(found), key=lambda one: one[1:])
        if uid not in outlook.lost
    ]
