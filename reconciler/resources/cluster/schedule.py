"""A cluster's automated snapshots: how often, and how long each is kept (SC1)."""

from __future__ import annotations

from datetime import timedelta

from reconciler.model.change import DiffEntry, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.cluster.backup_steps import SetSchedule
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.field_types import write_duration
from reconciler.resources.kind import DiffInput


def schedule(
    given: DiffInput[ClusterSpec, ClusterObservation], desired: ClusterSpec, observed: ClusterObservation | None
) -> Verdict:
    """The operation that leaves the declared schedule; none declared: no automated snapshots."""
    present, wanted = None if observed is None else observed.schedule, desired.snapshots
    before = None if present is None else in_words(present.every, present.retention)
    after = None if wanted is None else in_words(wanted.every, wanted.retention)
    if before == after:
        return verdicts.NOTHING
    step = SetSchedule(
        id="set-schedule",
        summary="take no more snapshots by itself; those that were taken stay until their retention is over"
        if wanted is None
        else f"take a snapshot by itself {after}; each apply takes what is due",
        address=given.address,
        provider=given.provider,
        every_minutes=None if wanted is None else int(wanted.every / timedelta(minutes=1)),
        retention_days=None if wanted is None else wanted.retention.days,
    )
    reason = "its manifest asks for automated snapshots" if wanted else "its manifest asks for no automated snapshots"
    if wanted is not None and present is not None:
        reason = "its automated snapshots are on another schedule than its manifest says"
    operation = Operation(verb=Verb.UPDATE, reason=reason, steps=(step,))
    return verdicts.changed([operation], [DiffEntry(path="spec.snapshots", before=before, after=after)])


def in_words(every: timedelta, retention: timedelta) -> str:
    """``every 8h, kept for 1d``."""
    return f"every {write_duration(every)}, kept for {write_duration(retention)}"
