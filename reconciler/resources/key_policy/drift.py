"""How a key policy's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.access.equality import policies_equal
from reconciler.access.request import KeyFacts
from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.key_policy.observe import KeyPolicyObservation
from reconciler.resources.key_policy.spec import KeyPolicySpec
from reconciler.resources.kind import DriftInput
from reconciler.resources.policy_drift import policy_moved


def drift(given: DriftInput[KeyPolicySpec, KeyPolicyObservation]) -> Sequence[Finding]:
    """A policy that means something else than it did: does it let anybody do more?"""
    expected, observed = given.expected, given.observed
    if observed is None:
        fix = "its key is gone, and its policy with it; put the key store back from a backup"
        return [verdicts.missing(given, fix=fix)]
    if expected is None or policies_equal(expected.document, observed.document):
        return []
    wider = wider_by(expected.document, observed.document, str(given.recorded.identity), given.now)
    return [policy_moved(given, expected.document, observed.document, wider)]


def wider_by(before: Mapping[str, Any], after: Mapping[str, Any], key_arn: str, now: datetime) -> str | None:
    """Who may do what that they could not before, in words; None: nobody."""
    from reconciler.access.widening import wider  # loaded when a policy was changed

    region, account = key_arn.split(":")[3:5]
    found = wider(before, after, KeyFacts(arn=key_arn, account=account, region=region), now)
    return None if found is None else str(found)
