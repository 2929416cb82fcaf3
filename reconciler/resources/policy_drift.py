"""The finding that a policy means something else than it did (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.kind import DriftInput

_FIX = "`reconciler apply` puts the declared policy back"


def policy_moved(
    given: DriftInput[Any, Any], expected: Mapping[str, Any], observed: Mapping[str, Any], wider: object | None
) -> Finding:
    """``wider`` says, as text, who may do more than they could; None: nobody."""
    return verdicts.finding(
        given,
        "policy-changed" if wider is None else "policy-widened",
        "document",
        expected=expected,
        observed=observed,
        fix=_FIX if wider is None else f"{_FIX}; until then {wider}",
    )
