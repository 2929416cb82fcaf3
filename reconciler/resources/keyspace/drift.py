"""How a keyspace's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.plan import Finding
from reconciler.resources import verdicts
from reconciler.resources.keyspace.observe import KeyspaceObservation
from reconciler.resources.keyspace.spec import KeyspaceSpec
from reconciler.resources.kind import DriftInput


def drift(given: DriftInput[KeyspaceSpec, KeyspaceObservation]) -> Sequence[Finding]:
    """A keyspace is there or it is not; what its label says protects nothing."""
    return [verdicts.missing(given)] if given.observed is None else verdicts.changed_attributes(given)
