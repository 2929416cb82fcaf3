"""How a grant's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.access.grants import passes_on
from reconciler.access.request import GrantTerms
from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.grant.observe import GrantObservation
from reconciler.resources.grant.spec import GrantSpec
from reconciler.resources.kind import DriftInput


def drift(given: DriftInput[GrantSpec, GrantObservation]) -> Sequence[Finding]:
    """A grant of the embedded key service cannot be changed: it is there, or it is gone. One of another service that
    allows more than it did is widened."""
    expected, observed = given.expected, given.observed
    if observed is None:
        fix = "`reconciler apply` grants it again; until then what rested on it is denied"
        return [verdicts.missing(given, drift_class="grant-missing", fix=fix)]
    if expected is None or expected == observed:
        return []
    if expected.grantee_principal == observed.grantee_principal and not passes_on(_terms(expected), _terms(observed)):
        return [
            verdicts.finding(
                given,
                "grant-widened",
                "operations",
                expected=list(expected.operations),
                observed=list(observed.operations),
                fix="`reconciler apply` replaces it by the declared one",
            )
        ]
    return verdicts.changed_attributes(given)


def _terms(grant: GrantObservation) -> GrantTerms:
    return GrantTerms(
        grantee_principal=grant.grantee_principal,
        operations=grant.operations,
        context_subset=grant.context_subset,
        context_equals=grant.context_equals,
    )
