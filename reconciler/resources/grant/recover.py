"""Whether an interrupted create made its grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, issuing_grants
from reconciler.resources.grant.steps import grant_name
from reconciler.resources.reference import planned_arn


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the grant that the intent's token named, None if it made none (I10)."""
    if intent.step != "create-grant":
        return None
    who, arn = caller(services, intent.provider), planned_arn(intent.facts["key"], services)
    if arn is None:
        return None
    for grant in issuing_grants(services, intent.provider).list_grants(who, arn):
        if grant.name == grant_name(intent.token):
            return {"id": grant.grant_id, "key_arn": grant.key_arn, "replaces": intent.facts.get("replaces")}
    return None
