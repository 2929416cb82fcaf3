"""When a key is rotated: by a changed trigger, or because its period is over (CONTRACT 1)."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.model.change import Impact, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.key import steps
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.rotation_cause import cause


def period_days(desired: KeySpec) -> int | None:
    """``rotation.every`` in whole days, as the key service takes it."""
    return None if desired.rotation.every is None else desired.rotation.every.days


def next_rotation(desired: KeySpec, observed: KeyObservation) -> datetime | None:
    """When the next rotation by age is due; a rotation for any reason restarts the period."""
    days = None if observed.is_replica else period_days(desired)
    return None if days is None else observed.rotated_at + timedelta(days=days)


def rotation(given: DiffInput[KeySpec, KeyObservation], desired: KeySpec, observed: KeyObservation) -> Verdict:
    """The rotation that is called for now, if any. A key that is to be disabled has none, and a replica that of
    its primary."""
    if not desired.enabled or observed.is_replica:
        return verdicts.NOTHING
    trigger = desired.rotation.trigger
    why = cause(given, trigger, next_rotation(desired, observed), path="spec.rotation.trigger")
    if why is None:
        return verdicts.NOTHING
    step = steps.RotateKey(
        id="rotate",
        summary="make new key material; the old stays for what it sealed",
        address=given.address,
        provider=given.provider,
        from_material=observed.material_id,
        trigger=trigger,
    )
    operation = Operation(verb=Verb.ROTATE, reason=why.reason, steps=(step,), impact=Impact(key_service_calls=1))
    return verdicts.changed([operation], why.shown)
