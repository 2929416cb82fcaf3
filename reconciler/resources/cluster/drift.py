"""How a cluster's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.cluster import older_copy
from reconciler.resources.cluster.inaccessible import ways_out, words
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import observed_in_words
from reconciler.resources.cluster.rotation import next_rotation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import INACCESSIBLE
from reconciler.resources.kind import DriftInput

# Data and keys move with use and rotation; the root has classes of its own.
_NO_DRIFT = (
    *("status", "tables", "cek_id", "dek_id", "grant_id", "rotated_at", "keys_verified"),
    *("escrow_arn", "inaccessible", "awaits_snapshot", "change", "manifest"),
)
_ROOT = ("root", "key_arn", "partition")


def drift(given: DriftInput[ClusterSpec, ClusterObservation]) -> Sequence[Finding]:
    """What moved since the last apply, and what is due."""
    observed = given.observed
    if observed is None:
        fix = "restore it from a snapshot; `reconciler apply` does not make it again, empty"
        return [verdicts.missing(given, fix=fix)]
    expected = given.expected
    found = [*_inaccessible(given, observed), *_overdue(given, observed)]
    if expected is None:
        return found
    if expected.uid != observed.uid:
        fix = "find out who made it; `reconciler apply` leaves it alone"
        found.append(
            verdicts.finding(given, "resource-missing", "uid", expected=expected.uid, observed=observed.uid, fix=fix)
        )
        return found
    moved = verdicts.changed_attributes(given, besides=(*_NO_DRIFT, *_ROOT))
    return [
        *_root(given, expected, observed),
        *_escrow(given, expected, observed),
        *_older_keys(given, expected, observed),
        *older_copy.found(given, expected, observed),
        *found,
        *_tables(given, expected, observed),
        *moved,
    ]


def _root(
    given: DriftInput[ClusterSpec, ClusterObservation], expected: ClusterObservation, observed: ClusterObservation
) -> list[Finding]:
    before, now = observed_in_words(expected), observed_in_words(observed)
    if before == now:
        return []
    if observed.root is RootKind.LOST:
        drift_class, fix = "warehouse-inaccessible", "put catalogue and key ring of its warehouse back from one backup"
    elif not observed.is_encrypted:
        drift_class = "encryption-lost"
        fix = "`reconciler apply` encrypts it again; snapshots taken meanwhile stay plaintext"
    elif observed.root is RootKind.OWNED and expected.is_encrypted:
        drift_class, fix = "key-replaced-by-owned", "`reconciler apply` switches it back to its declared root"
    else:
        drift_class, fix = "attribute-changed", "`reconciler apply` puts it under its declared root"
    return [verdicts.finding(given, drift_class, "root", expected=before, observed=now, fix=fix)]


def _inaccessible(given: DriftInput[ClusterSpec, ClusterObservation], observed: ClusterObservation) -> list[Finding]:
    if observed.status != INACCESSIBLE:
        return []
    return [
        verdicts.finding(
            given,
            "warehouse-inaccessible",
            "status",
            expected="available",
            observed=words(observed, given.now),
            fix=" ".join(ways_out(given.address.name, observed, given.now)),
        )
    ]


def _escrow(
    given: DriftInput[ClusterSpec, ClusterObservation], expected: ClusterObservation, observed: ClusterObservation
) -> list[Finding]:
    """Who opens the data beside the root is another than was left (RE14)."""
    if expected.escrow_arn == observed.escrow_arn or not observed.is_encrypted:
        return []
    return [
        verdicts.finding(
            given,
            "escrow-changed",
            "escrow_arn",
            expected=expected.escrow_arn or "no escrow key",
            observed=observed.escrow_arn or "no escrow key: unrecoverable should its root be lost",
            fix="`reconciler apply` wraps its keys as declared; find out who changed that",
        )
    ]


def _overdue(given: DriftInput[ClusterSpec, ClusterObservation], observed: ClusterObservation) -> list[Finding]:
    due = None if given.spec is None else next_rotation(given.spec, observed)
    if due is None or due > given.now:
        return []
    return [
        verdicts.finding(
            given,
            "rotation-overdue",
            "rotated_at",
            expected=f"a rotation by {due:%Y-%m-%d}",
            observed=None if observed.rotated_at is None else f"{observed.rotated_at:%Y-%m-%d}",
            fix="`reconciler apply` rotates its keys",
        )
    ]


def _older_keys(
    given: DriftInput[ClusterSpec, ClusterObservation], expected: ClusterObservation, observed: ClusterObservation
) -> list[Finding]:
    """Keys from before a rotation that was reported: catalogue and key ring are an older copy, authentic in itself
    (I16)."""
    left, now = expected.rotated_at, observed.rotated_at
    if left is None or now is None or now >= left:
        return []
    return [
        verdicts.finding(
            given,
            "stale-key-version",
            "rotated_at",
            expected=f"keys that were made on {left:%Y-%m-%d %H:%M} UTC",
            observed=f"keys that were made on {now:%Y-%m-%d %H:%M} UTC: its warehouse is an older copy",
            fix="put its warehouse's newest folder back; or take the older one, change `rotation.trigger`, and "
            "`reconciler apply` makes new keys",
        )
    ]


def _tables(
    given: DriftInput[ClusterSpec, ClusterObservation], expected: ClusterObservation, observed: ClusterObservation
) -> list[Finding]:
    """Tables that are gone. Rows come and go with use; that is no drift."""
    there = {table.name for table in observed.tables}
    return [
        verdicts.finding(
            given,
            "resource-missing",
            f"tables.{table.name}",
            expected=f"{table.rows} rows",
            observed=None,
            fix="`reconciler apply` loads its declared files again",
        )
        for table in expected.tables
        if table.name not in there
    ]
