"""How a table's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.kind import DriftInput
from reconciler.resources.table.observe import TableObservation
from reconciler.resources.table.spec import TableSpec

# Rows come and go with use; the key has a class of its own.
_NO_DRIFT = ("rows", "bytes", "status", "key_arn", "table_key_id", "grant_id")
INACCESSIBLE = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"


def drift(given: DriftInput[TableSpec, TableObservation]) -> Sequence[Finding]:
    """What moved since the last apply."""
    expected, observed = given.expected, given.observed
    if observed is None:
        return [verdicts.missing(given, fix="put its data back; `reconciler apply` does not make it again, empty")]
    found: list[Finding] = []
    if observed.status == INACCESSIBLE:
        fix = "let the table service use its key again (KS5)"
        found.append(
            verdicts.finding(
                given, "warehouse-inaccessible", "status", expected="ACTIVE", observed=observed.status, fix=fix
            )
        )
    if expected is None:
        return found
    if expected.uid != observed.uid:
        fix = "find out who made it; `reconciler apply` leaves it alone"
        other = verdicts.finding(
            given, "resource-missing", "uid", expected=expected.uid, observed=observed.uid, fix=fix
        )
        return [*found, other]
    if expected.key_arn != observed.key_arn:
        drift_class = "key-replaced-by-owned" if observed.key_arn is None else "attribute-changed"
        found.append(
            verdicts.finding(
                given,
                drift_class,
                "key_arn",
                expected=expected.key_arn or "the owned key",
                observed=observed.key_arn or "the owned key",
                fix="`reconciler apply` switches it back to its declared key",
            )
        )
    return [*found, *verdicts.changed_attributes(given, besides=_NO_DRIFT)]
