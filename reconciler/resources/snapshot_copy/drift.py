"""How the drift of a cluster's copying is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.kind import DriftInput
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec

_NO_DRIFT = (
    "uncopied",
    "withheld",
    "copies",
    "inaccessible",
    "cluster_root",
)  # what was copied and is yet to be, and what the cluster's own drift tells


def drift(given: DriftInput[SnapshotCopySpec, SnapshotCopyObservation]) -> Sequence[Finding]:
    """Copying that is off, or goes on without the grant that it had."""
    expected, observed = given.expected, given.observed
    if observed is None:
        return [verdicts.missing(given, drift_class="copy-off", fix="`reconciler apply` switches copying on again")]
    if expected is None:
        return []
    found: list[Finding] = []
    if expected.grant_name is not None and observed.grant_name is None:
        found.append(
            verdicts.finding(
                given,
                "copy-grant-missing",
                "grant_name",
                expected=expected.grant_name,
                observed=None,
                fix="`reconciler apply` switches copying off, and on again through its grant",
            )
        )
        return [*found, *verdicts.changed_attributes(given, besides=(*_NO_DRIFT, "grant_name"))]
    return [*found, *verdicts.changed_attributes(given, besides=_NO_DRIFT)]
