"""Whether an interrupted create made its key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, key_provider


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the key that the intent's token made, None if it made none (I10)."""
    if intent.step != "create-key":
        return None
    found = key_provider(services, intent.provider).find_key(caller(services, intent.provider), token=intent.token)
    if found is None:
        return None
    return {"id": found.key_id, "arn": found.arn, "trigger": intent.facts.get("trigger")}
