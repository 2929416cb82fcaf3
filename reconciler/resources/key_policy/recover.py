"""Whether an interrupted step put its policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.equality import policies_equal
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, holding_policies
from reconciler.resources.reference import planned_arn


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the policy, if its key has it: should the manifest be gone by now, it is not to stay there with
    nobody who knows of it."""
    arn = planned_arn(intent.facts["key"], services) if intent.step == "put-key-policy" else None
    if arn is None:
        return None
    policies = holding_policies(services, intent.provider)
    found = policies.get_key_policies(caller(services, intent.provider), [arn]).get(arn)
    if found is None or not policies_equal(found, intent.facts["document"]):
        return None
    return {"id": arn, "arn": arn}
