"""How a key policy's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.access.equality import policies_equal
from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.key_policy.observe import KeyPolicyObservation
from reconciler.resources.key_policy.spec import KeyPolicySpec
from reconciler.resources.kind import DriftInput


def drift(given: DriftInput[KeyPolicySpec, KeyPolicyObservation]) -> Sequence[Finding]:
    """A policy that means something else than it did."""
    expected, observed = given.expected, given.observed
    if observed is None:
        return [verdicts.missing(given)]
    if expected is None or policies_equal(expected.document, observed.document):
        return []
    return [
        verdicts.finding(
            given,
            "policy-changed",
            "document",
            expected=expected.document,
            observed=observed.document,
            fix="apply puts the declared policy back",
        )
    ]
