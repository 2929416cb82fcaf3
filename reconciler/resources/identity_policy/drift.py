"""How an identity policy's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.access.equality import policies_equal
from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.identity_policy.held import Held
from reconciler.resources.identity_policy.observe import IdentityPolicyObservation
from reconciler.resources.identity_policy.spec import IdentityPolicySpec
from reconciler.resources.kind import DriftInput
from reconciler.resources.policy_drift import policy_moved


def drift(given: DriftInput[IdentityPolicySpec, IdentityPolicyObservation]) -> Sequence[Finding]:
    """A policy that means something else than it did: does it let its holder do more?"""
    expected, observed = given.expected, given.observed
    if observed is None:
        return [verdicts.missing(given)]
    if expected is None or policies_equal(expected.document, observed.document):
        return []
    from reconciler.access.identity_widening import wider_identity  # loaded when a policy was changed

    holder = Held.of(str(given.recorded.identity)).principal
    wider = wider_identity(expected.document, observed.document, holder, given.now)
    return [policy_moved(given, expected.document, observed.document, wider)]
