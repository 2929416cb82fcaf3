"""How a snapshot copy grant's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.kind import DriftInput
from reconciler.resources.snapshot_copy_grant.observe import SnapshotCopyGrantObservation
from reconciler.resources.snapshot_copy_grant.spec import SnapshotCopyGrantSpec


def drift(given: DriftInput[SnapshotCopyGrantSpec, SnapshotCopyGrantObservation]) -> Sequence[Finding]:
    """Without the grant copies no longer arrive under the declared key."""
    expected, observed = given.expected, given.observed
    if observed is None:
        return [verdicts.missing(given, drift_class="copy-grant-missing")]
    if expected is None:
        return []
    if expected.root is RootKind.KMS and observed.root is RootKind.OWNED:
        return [
            verdicts.finding(
                given,
                "key-replaced-by-owned",
                "key_arn",
                expected=expected.key_arn,
                observed="the owned key",
                fix="`reconciler apply` makes the grant anew under its declared key",
            )
        ]
    return verdicts.changed_attributes(given, besides=("copying", "grant_id"))
