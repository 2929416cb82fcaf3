"""How a key's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.providers.keys import KeyState
from reconciler.resources import verdicts
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DriftInput


def drift(given: DriftInput[KeySpec, KeyObservation]) -> Sequence[Finding]:
    """What moved since the last apply. New material is no drift: the service rotates by itself when told to."""
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
                fix="apply sets the declared rotation period",
            )
        )
    besides = ("state", "rotation_period_days", "material_id", "rotated_at", "deletion_date")
    return [*found, *verdicts.changed_attributes(given, besides=besides)]


def _state(given: DriftInput[KeySpec, KeyObservation], expected: KeyObservation, observed: KeyObservation) -> Finding:
    classes = {
        str(KeyState.DISABLED): ("key-disabled", "apply enables it again; until then nothing that it wraps opens"),
        str(KeyState.PENDING_DELETION): ("key-pending-deletion", "apply cancels its deletion before it is lost"),
    }
    drift_class, fix = classes.get(observed.state, ("attribute-changed", "apply makes it as declared"))
    return verdicts.finding(given, drift_class, "state", expected=expected.state, observed=observed.state, fix=fix)
