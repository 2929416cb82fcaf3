"""Whether an interrupted create made its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.cluster.steps import identity_of


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the cluster that the intent's token made, None if it made none (I10)."""
    if intent.step != "create-cluster":
        return None
    warehouse = warehouse_provider(services, intent.provider)
    found = warehouse.find_cluster(caller(services, intent.provider), token=intent.token)
    return None if found is None else {**identity_of(found), "trigger": intent.facts.get("trigger")}
