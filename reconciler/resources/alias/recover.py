"""Whether an interrupted create made its alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, naming_keys
from reconciler.resources.reference import planned_arn


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the alias of that name, if it names the key that the step was to name. An alias for another key
    is somebody else's, and the reason why the create failed: it is never taken over (I17)."""
    if intent.step != "create-alias":
        return None
    key = planned_arn(intent.facts["key"], services)
    for alias in naming_keys(services, intent.provider).list_aliases(
        caller(services, intent.provider), [str(intent.facts["name"])]
    ):
        if key is not None and key.rpartition("/")[2] == alias.target_key_id:
            return {"id": alias.name, "arn": alias.arn, "replaces": intent.facts.get("replaces")}
    return None
