"""Doing what is due, part by part: what one cannot do now is told as an event and keeps no other from being done."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from reconciler.access.caller import Caller
from reconciler.errors import LockHeld, ReconcilerError
from reconciler.providers.data import Progress
from reconciler_warehouse import events
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep import due
from reconciler_warehouse.writing import joinable

if TYPE_CHECKING:
    from reconciler_warehouse.engine import Engine


def run(site: Site, engine: Engine, caller: Caller, progress: Progress, leave: Collection[str] = ()) -> list[str]:
    """See ``DoesDueWork.do_due_work``. Roots that are back first, then
    what was interrupted, then retention, so that what is over is not copied any more."""
    done = engine.look_at_roots()
    interrupted = due.interrupted(site)
    left = {name for _, name, _ in interrupted}.intersection(leave)  # whatever else is done to them would take it up
    for uid, name, _ in interrupted:
        if name in left:
            continue
        done += _attempt(
            *(site, uid, name, f"The change of cluster {name} that was interrupted was not taken up"),
            partial(engine.take_up, caller, name, progress),
        )
    done += [f"Snapshot {name} was removed: its retention is over." for name in engine.snapshots.expire()]
    for one in due.snapshots(site):
        if one.cluster in left:
            continue
        done += _attempt(
            *(site, one.cluster_uid, one.cluster, f"The snapshot of cluster {one.cluster} that was due was not taken"),
            partial(engine.snapshots.take_due_snapshot, one),
        )
    for copy in due.copies(site):
        if copy.cluster in left:
            continue
        done += _attempt(
            *(site, copy.cluster_uid, copy.cluster, f"Snapshot {copy.snapshot} was not copied to {copy.region}"),
            partial(engine.snapshots.make_due_copy, caller, copy, progress),
        )
    for table in joinable.due(site):
        if table.cluster in left:
            continue
        done += _attempt(
            *(site, table.cluster_uid, table.cluster, f"Table {table.table} of {table.cluster} was not compacted"),
            partial(engine.compact, table),
        )
    return done


def _attempt(site: Site, cluster_uid: str, cluster: str, what: str, work: Callable[[], str | None]) -> list[str]:
    """What ``work`` did, in a sentence; nothing when there was nothing to do, or it could not. Why it could not is an
    event of the cluster, told once until something else happens to it."""
    try:
        done = work()
    except LockHeld:
        raise
    except ReconcilerError as error:
        _tell(site, cluster_uid, cluster, f"{what}: {error.summary}")
        return []
    return [] if done is None else [done]


def _tell(site: Site, cluster_uid: str, cluster: str, message: str) -> None:
    with site.catalogue.write() as catalogue:
        if not events.is_last(catalogue, cluster_uid, message):
            events.note(*(catalogue, cluster_uid, cluster, events.MANAGEMENT, events.ERROR, message), at=site.now())
