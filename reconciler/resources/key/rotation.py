"""When a key is rotated: by a changed trigger, or because its period is over (CONTRACT 1)."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.model.change import DiffEntry, Impact, Operation, Verb
from reconciler.resources.key import steps
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput


def period_days(desired: KeySpec) -> int | None:
    """``rotation.every`` in whole days, as the key service takes it."""
    return None if desired.rotation.every is None else desired.rotation.every.days


def next_rotation(desired: KeySpec, observed: KeyObservation) -> datetime | None:
    """When the next rotation by age is due; a rotation for any reason restarts the period."""
    days = period_days(desired)
    return None if days is None else observed.rotated_at + timedelta(days=days)


def rotation(
    given: DiffInput[KeySpec, KeyObservation], desired: KeySpec, observed: KeyObservation
) -> tuple[Operation | None, DiffEntry | None]:
    """The rotation that is called for now, if any, and what the plan shows of it.

    A trigger is recorded at create or import without rotating; any later change rotates once; removing it never
    does."""
    recorded = None if given.recorded is None else given.recorded.attributes.get("trigger")
    trigger = desired.rotation.trigger
    is_triggered = trigger is not None and trigger != recorded
    due = next_rotation(desired, observed)
    is_overdue = due is not None and due <= given.now
    if not desired.enabled:
        return None, None
    if not is_triggered and not is_overdue:
        return None, None
    entry: DiffEntry | None = None
    if is_triggered:
        reason = "its rotation trigger changed"
        entry = DiffEntry(path="spec.rotation.trigger", before=recorded, after=trigger)
    else:
        reason = f"its rotation was due on {due:%Y-%m-%d}"
    step = steps.RotateKey(
        id="rotate",
        summary="make new key material; the old stays for what it sealed",
        address=given.address,
        provider=given.provider,
        from_material=observed.material_id,
        trigger=trigger,
    )
    return Operation(verb=Verb.ROTATE, reason=reason, steps=(step,), impact=Impact(key_service_calls=1)), entry
