"""Whether an interrupted step switched copying on, or copied its snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.reference import planned_arn
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation
from reconciler.resources.snapshot_copy.steps import copied_by_now, copying_attributes


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the copying, if it is on as the step was to switch it on: should the manifest be gone by now,
    it is not to go on with nobody who knows of it."""
    arn = planned_arn(intent.facts["cluster"], services) if intent.step == "enable-copy" else None
    if arn is None:
        return None
    to, grant = str(intent.facts["to"]), intent.facts["grant"]
    asked = (warehouse_provider(services, to).region, intent.facts["retention_days"], grant is None)
    for cluster in warehouse_provider(services, intent.provider).describe_clusters(caller(services, intent.provider)):
        on = cluster.copy
        if cluster.arn == arn and on is not None and (on.region, on.retention_days, on.grant_name is None) == asked:
            return copying_attributes(cluster, to, on)
    return None


def outcome(intent: Intent, observed: SnapshotCopyObservation, services: Services) -> Outcome | None:
    """Which snapshots were copied, so that none is copied a second time when its copy has expired."""
    if not intent.step.startswith("copy-"):
        return None
    wanted = intent.facts.get("snapshots")
    if any(wanted is None or one.name in wanted for one in observed.uncopied):
        return None
    recorded = services.attributes(intent.address)
    known, to = recorded.get("copied") or {}, str(intent.facts["to"])
    warehouse, who = warehouse_provider(services, intent.provider), caller(services, intent.provider)
    for cluster in warehouse.describe_clusters(who, [str(recorded["cluster"])]):
        return Outcome(attributes={"copied": copied_by_now(services, intent.provider, to, cluster.uid, known)})
    return None
