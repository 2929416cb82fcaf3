"""When a cluster's keys are rotated: by a changed trigger, or because the period is over (RO1, CONTRACT 1)."""

from __future__ import annotations

from datetime import datetime

from reconciler.model.change import Availability, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.cluster import steps
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import declared_root
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import ROTATING
from reconciler.resources.kind import DiffInput


def next_rotation(desired: ClusterSpec, observed: ClusterObservation) -> datetime | None:
    """When the next rotation by age is due; making the keys anew for any reason restarts the period."""
    every = None if desired.encryption is None else desired.encryption.rotation.every
    return None if every is None or observed.rotated_at is None else observed.rotated_at + every


def rotation(
    given: DiffInput[ClusterSpec, ClusterObservation], desired: ClusterSpec, observed: ClusterObservation
) -> Verdict:
    """The rotation that is called for now, if any.

    A trigger is recorded at create or import without rotating; any later change rotates once; removing it never
    does. A cluster that is being encrypted in this plan gets every key anew by that."""
    wanted = declared_root(desired)
    if not observed.is_encrypted or (wanted is not None and wanted.kind is RootKind.NONE):
        return verdicts.NOTHING
    recorded = None if given.recorded is None else given.recorded.attributes.get("trigger")
    trigger = None if desired.encryption is None else desired.encryption.rotation.trigger
    due = next_rotation(desired, observed)
    entries: list[DiffEntry] = []
    if trigger is not None and trigger != recorded:
        reason = "its rotation trigger changed"
        entries.append(DiffEntry(path="spec.encryption.rotation.trigger", before=recorded, after=trigger))
    elif due is not None and due <= given.now:
        reason = f"its rotation was due on {due:%Y-%m-%d}"
    elif observed.status == ROTATING:
        reason = "its rotation was begun and is not over"
    else:
        return verdicts.NOTHING
    step = steps.RotateKeys(
        id="rotate",
        summary="make new keys for it and its snapshots; data stay as they are",
        address=given.address,
        provider=given.provider,
        from_dek=observed.dek_id,
        trigger=trigger,
    )
    operation = Operation(
        verb=Verb.ROTATE,
        reason=reason,
        steps=(step,),
        impact=Impact(availability=Availability.READ_ONLY, key_service_calls=2),
    )
    return verdicts.changed([operation], entries)
