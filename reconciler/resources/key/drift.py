"""How a key's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.providers.keys import KeyState
from reconciler.resources import verdicts
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.rotation import next_rotation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DriftInput

Given = DriftInput[KeySpec, KeyObservation]
_ENABLED = str(KeyState.ENABLED)
_STATES = {
    str(KeyState.DISABLED): (
        "key-disabled",
        "`reconciler apply` enables it again; until then nothing that it wraps opens",
    ),
    str(KeyState.PENDING_DELETION): (
        "key-pending-deletion",
        "`reconciler apply` cancels its deletion; after that day it is lost",
    ),
}


def drift(given: Given) -> Sequence[Finding]:
    """What moved since the last apply, and what is due. New material is no drift: the service rotates by itself when
    told to."""
    expected, observed = given.expected, given.observed
    if observed is None:
        fix = "put the key store back from a backup; a new key opens nothing"
        return [verdicts.missing(given, drift_class="key-missing", fix=fix)]
    if expected is None:
        return []
    found: list[Finding] = []
    if expected.state != observed.state:
        found.append(_state(given, expected, observed))
    if expected.rotation_period_days != observed.rotation_period_days:
        drift_class = "rotation-off" if observed.rotation_period_days is None else "attribute-changed"
        found.append(
            verdicts.finding(
                given,
                drift_class,
                "rotation_period_days",
                expected=expected.rotation_period_days,
                observed=observed.rotation_period_days,
                fix="`reconciler apply` sets the declared rotation period",
            )
        )
    found += _overdue(given, observed)
    besides = ("state", "rotation_period_days", "material_id", "rotated_at", "deletion_date")
    return [*found, *verdicts.changed_attributes(given, besides=besides)]


def _overdue(given: Given, observed: KeyObservation) -> list[Finding]:
    """A key that cannot be used is not rotated: what is wrong with it is told instead."""
    due = None if given.spec is None or observed.state != _ENABLED else next_rotation(given.spec, observed)
    if due is None or due > given.now:
        return []
    return [
        verdicts.finding(
            given,
            "rotation-overdue",
            "rotated_at",
            expected=f"a rotation by {due:%Y-%m-%d}",
            observed=f"{observed.rotated_at:%Y-%m-%d}",
            fix="`reconciler apply` rotates it",
        )
    ]


def _state(given: Given, expected: KeyObservation, observed: KeyObservation) -> Finding:
    drift_class, fix = _STATES.get(observed.state, ("attribute-changed", "`reconciler apply` makes it as declared"))
    now = observed.state
    if observed.deletion_date is not None:
        now = f"{now}, destroyed on {observed.deletion_date:%Y-%m-%d}"
    return verdicts.finding(given, drift_class, "state", expected=expected.state, observed=now, fix=fix)
