"""What differs about a snapshot. Pure. A snapshot is of one moment: it is taken once and never changed."""

from __future__ import annotations

import dataclasses

from reconciler.model.change import KNOWN_AFTER_APPLY, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of
from reconciler.resources.snapshot import steps
from reconciler.resources.snapshot.observe import SnapshotObservation
from reconciler.resources.snapshot.spec import SnapshotSpec

Given = DiffInput[SnapshotSpec, SnapshotObservation]


def diff(given: Given) -> Verdict:
    """The operations that leave the declared snapshot; one that was there and is gone is not taken again."""
    return verdicts.of_data(
        given,
        "snapshot",
        create=_create,
        remove=_remove,
        lost=lambda: _expired(given),
        compare=_compare,
    )


def _expired(given: Given) -> Verdict:
    return Verdict(
        warnings=(
            f"{given.address} has expired or was deleted. It is not taken again: now would be another moment "
            f"(`--replace {given.address}` takes one of now).",
        )
    )


def replace(given: Given) -> Verdict:
    """A snapshot that expired or was deleted is taken once more, of this moment (``--replace``, CONTRACT 1). One that
    is there is not: what it holds would be lost."""
    if given.desired is None or given.observed is not None:
        return verdicts.blocked(
            "replace-of-data",
            f"{given.address} is there; taken once more, what it holds would be lost",
            "Declare a Snapshot of another name, and apply.",
            f"Remove {given.address} when it is no longer needed.",
        )
    forget = steps.ForgetSnapshot(
        id="forget-snapshot",
        summary="forget the one that is gone",
        address=given.address,
        provider=given.provider,
        snapshot=given.name,
    )
    first = Operation(verb=Verb.FORGET, reason="it has expired or was deleted", steps=(forget,))
    made = _create(given, given.desired)
    return dataclasses.replace(made, operations=(first, *made.operations))


def _create(given: Given, desired: SnapshotSpec) -> Verdict:
    days = retention_days(desired)
    kept = "kept until its manifest goes" if days is None else f"kept for {days} days"
    step = steps.TakeSnapshot(
        id="take-snapshot",
        summary=f"take a snapshot of {desired.cluster}, {kept}",
        address=given.address,
        provider=given.provider,
        snapshot=given.name,
        cluster=desired.cluster,
        retention_days=days,
    )
    operation = Operation(
        verb=Verb.SNAPSHOT,
        reason="declared, and not there yet",
        steps=(step,),
        impact=Impact(),
    )
    entries = (
        DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY),
        DiffEntry(path="spec.cluster", before=None, after=given.arn_of(desired.cluster) or KNOWN_AFTER_APPLY),
    )
    return verdicts.created(operation, diff=entries)


def _remove(given: Given, observed: SnapshotObservation) -> Verdict:
    step = steps.DeleteSnapshot(
        id="delete-snapshot",
        summary="delete the snapshot",
        reversible=False,
        address=given.address,
        provider=given.provider,
        snapshot=given.recorded_name,
        uid=observed.uid,
    )
    return verdicts.deleted(step, reason=f"{given.removal_reason}, and nothing protects it", lets_go=observed.arn)


def _compare(given: Given, desired: SnapshotSpec, observed: SnapshotObservation) -> Verdict:
    recorded = {} if given.recorded is None else given.recorded.attributes
    if given.is_renamed and name_of(recorded) != given.name:
        return verdicts.rename_refused(given, "snapshot", name_of(recorded))
    entries = verdicts.differences(
        {
            "spec.externalName": (name_of(recorded), given.name),
            "spec.retention": (_days(recorded.get("retention_days")), _days(retention_days(desired))),
        }
    )
    if not _is_of(given, desired, observed):
        after = given.arn_of(desired.cluster) or KNOWN_AFTER_APPLY
        entries.append(DiffEntry(path="spec.cluster", before=observed.cluster, after=after))
    if not entries:
        return _over_by_now(given, observed)
    block = verdicts.blocked(
        "snapshot-replacement",
        f"{', '.join(entry.path for entry in entries)} cannot be changed on a snapshot that is taken",
        "Declare a second Snapshot with the new properties, and apply.",
        f"Remove {given.address} when it is no longer needed.",
    )
    return verdicts.together(block, Verdict(diff=tuple(entries)))


def _over_by_now(given: Given, observed: SnapshotObservation) -> Verdict:
    """Nothing to do; but an apply, now or at the time that is looked ahead to, removes what has expired."""
    if observed.expires_at is None or observed.expires_at > given.now:
        return verdicts.NOTHING
    day = f"{observed.expires_at:%Y-%m-%d}"
    text = f"{given.address} expires on {day}: an apply after that removes it, and takes no other."
    return Verdict(warnings=(text,))


def due_at(spec: SnapshotSpec, attributes: object, observed: SnapshotObservation | None) -> float | None:
    """When its retention is over."""
    return None if observed is None or observed.expires_at is None else observed.expires_at.timestamp()


def _is_of(given: Given, desired: SnapshotSpec, observed: SnapshotObservation) -> bool:
    """Whether it was taken of the declared cluster: by uid, which outlives a new name; else by name."""
    target = given.resolve(desired.cluster)
    if target is None:
        return False
    uid = target.get("uid")
    return name_of(target) == observed.cluster if uid is None else bool(uid == observed.cluster_uid)


def retention_days(desired: SnapshotSpec) -> int | None:
    """How long it is kept; None until its manifest goes."""
    return None if desired.retention is None else desired.retention.days


def _days(days: int | None) -> str | None:
    return None if days is None else f"{days}d"
