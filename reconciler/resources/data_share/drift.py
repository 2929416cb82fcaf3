"""How a share's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.data_share.observe import DataShareObservation
from reconciler.resources.data_share.spec import DataShareSpec
from reconciler.resources.kind import DriftInput

ACTIVE = "ACTIVE"


def drift(given: DriftInput[DataShareSpec, DataShareObservation]) -> Sequence[Finding]:
    """A share that is gone, shows more than was shared, or is out of reach with one of its clusters (RE8)."""
    expected, observed = given.expected, given.observed
    if observed is None:
        return [verdicts.missing(given)]
    found: list[Finding] = []
    if observed.status != ACTIVE:
        found.append(
            verdicts.finding(
                given,
                "warehouse-inaccessible",
                "status",
                expected=ACTIVE,
                observed=observed.status,
                fix=f"mend Cluster {observed.producer}, or {observed.consumer}: the share comes back with it (RE8)",
            )
        )
    if expected is None:
        return found
    more = sorted(set(observed.tables) - set(expected.tables))
    if more:
        found.append(
            verdicts.finding(
                given,
                "grant-widened",
                "tables",
                expected=list(expected.tables),
                observed=list(observed.tables),
                fix="`reconciler apply` shares the declared tables only",
            )
        )
    # A cluster's new name is no drift of its shares; a table that is shared no more is.
    besides = ("status", "producer", "consumer", *(("tables",) if more else ()))
    return [*found, *verdicts.changed_attributes(given, besides=besides)]
