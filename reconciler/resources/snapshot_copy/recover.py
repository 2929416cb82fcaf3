"""Whether an interrupted step copied its snapshots."""

from __future__ import annotations

from reconciler.model.change import Outcome
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation
from reconciler.resources.snapshot_copy.steps import copied_by_now


def outcome(intent: Intent, observed: SnapshotCopyObservation, services: Services) -> Outcome | None:
    """Which snapshots were copied, so that none is copied a second time when its copy has expired."""
    if not intent.step.startswith("copy-"):
        return None
    wanted = intent.facts.get("snapshots")
    if any(wanted is None or one.name in wanted for one in observed.uncopied):
        return None
    known = services.attributes(intent.address).get("copied") or {}
    return Outcome(attributes={"copied": copied_by_now(services, intent.provider, str(intent.facts["to"]), known)})
