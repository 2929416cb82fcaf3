"""How a partition's drift is classed (CONTRACT 6), from what is kept of it; ``survey`` asks the HSM itself."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.expiring import SOON, is_soon, when
from reconciler.resources.hsm_partition.observe import OF_RETIRED_KEYS, HsmPartitionObservation
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from reconciler.resources.kind import DriftInput

_NO_DRIFT = ("slot", "serial", *OF_RETIRED_KEYS)  # hints, and what rotations leave


def drift(given: DriftInput[HsmPartitionSpec, HsmPartitionObservation]) -> Sequence[Finding]:
    """Another configuration than was left, and a certificate of the HSM that ends soon."""
    expected, observed = given.expected, given.observed
    if observed is None:
        fix = "put the HSM provider's store back from a backup: without it nothing proves which keys are ours"
        return [verdicts.missing(given, fix=fix)]
    found = list(_expiring(given, observed))
    if expected is not None and expected.uid != observed.uid:
        fix = "find out who adopted it; `reconciler apply` leaves it alone"
        moved = verdicts.finding(
            given, "resource-missing", "uid", expected=expected.uid, observed=observed.uid, fix=fix
        )
        return [moved, *found]
    return [*found, *verdicts.changed_attributes(given, besides=_NO_DRIFT)]


def _expiring(
    given: DriftInput[HsmPartitionSpec, HsmPartitionObservation], observed: HsmPartitionObservation
) -> Sequence[Finding]:
    ends = observed.server_not_after
    if ends is None or not is_soon(ends, given.now):
        return []
    return [
        verdicts.finding(
            given,
            "certificate-expiring",
            "server_not_after",
            expected=f"valid for more than {SOON.days} days",
            observed=f"the HSM's certificate {when(ends, given.now)}",
            fix="have the HSM's operator make the next one, and write it as spec.serverCertificate",
        )
    ]
