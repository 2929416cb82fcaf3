"""How a grant's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.grant.observe import GrantObservation
from reconciler.resources.grant.spec import GrantSpec
from reconciler.resources.kind import DriftInput


def drift(given: DriftInput[GrantSpec, GrantObservation]) -> Sequence[Finding]:
    """A grant cannot be changed, so either it is there or it is gone."""
    if given.observed is None:
        fix = "apply grants it again; until then what rested on it is denied"
        return [verdicts.missing(given, drift_class="grant-missing", fix=fix)]
    return verdicts.changed_attributes(given)
