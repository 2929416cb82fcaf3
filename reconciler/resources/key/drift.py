"""How a key's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.providers.keys import KeyState
from reconciler.resources import verdicts
from reconciler.resources.key.material import SOON
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
    str(KeyState.PENDING_REPLICA_DELETION): (
        "key-pending-deletion",
        "`reconciler apply` cancels its deletion; once its last replica is gone, its window begins",
    ),
    str(KeyState.PENDING_IMPORT): (
        "key-disabled",
        "`reconciler apply` imports its declared material again; until then nothing that it wraps opens",
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
    # Material that was to come from elsewhere, and came, is no drift.
    if expected.state != observed.state and not (expected.lacks_material and observed.state == _ENABLED):
        found.append(_state(given, expected, observed))
    # Of a replica, the primary's period is told of the primary.
    if expected.rotation_period_days != observed.rotation_period_days and not observed.is_replica:
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
    found += [*_overdue(given, observed), *_expiring(given, observed), *_part(given, observed)]
    return [*found, *verdicts.changed_attributes(given, besides=_besides(expected, observed))]


def _besides(expected: KeyObservation, observed: KeyObservation) -> tuple[str, ...]:
    """What has a class of its own, and what others change by right: a primary's replicas are resources themselves."""
    own = ("state", "rotation_period_days", "material_id", "rotated_at", "deletion_date", "primary_arn", "replica_arns")
    has_other = observed.lacks_material or expected.lacks_material
    return (*own, "material_expires_at") if has_other else own


def _expiring(given: Given, observed: KeyObservation) -> list[Finding]:
    expires = observed.material_expires_at
    if expires is None or observed.lacks_material or expires - given.now > SOON:
        return []
    return [
        verdicts.finding(
            given,
            "material-expiring",
            "material_expires_at",
            expected=f"material for more than {SOON.days} days",
            observed=f"{expires:%Y-%m-%d}, and nothing that it wraps opens after that",
            fix="write a later spec.material.expires, and `reconciler apply` imports the same material again",
        )
    ]


def _part(given: Given, observed: KeyObservation) -> list[Finding]:
    """A key that was made the primary, or was it and is no more."""
    if given.spec is None or not observed.multi_region or observed.is_replica is (given.spec.replica_of is not None):
        return []
    was = None if given.expected is None else given.expected.primary_arn
    fix = "`reconciler apply` makes the declared one the primary again"
    return [
        verdicts.finding(
            given, "attribute-changed", "primary_arn", expected=was, observed=observed.primary_arn, fix=fix
        )
    ]


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
