"""How an alias's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.alias.observe import AliasObservation
from reconciler.resources.alias.spec import AliasSpec
from reconciler.resources.kind import DriftInput


def drift(given: DriftInput[AliasSpec, AliasObservation]) -> Sequence[Finding]:
    """An alias that names another key sends new data under it."""
    expected, observed = given.expected, given.observed
    if observed is None:
        return [verdicts.missing(given)]
    if expected is None or expected.target_key_id == observed.target_key_id:
        return []
    return [
        verdicts.finding(
            given,
            "alias-retargeted",
            "target_key_id",
            expected=expected.target_key_id,
            observed=observed.target_key_id,
            fix="`reconciler apply` lets it name the declared key again; what was sealed meanwhile is under the "
            "other one",
        )
    ]
