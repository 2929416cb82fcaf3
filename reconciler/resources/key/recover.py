"""Whether an interrupted step made its key, or scheduled its deletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.keys import KeyState
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.key.observe import KeyObservation


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the key that the intent's token made, None if it made none (I10)."""
    if intent.step != "create-key":
        return None
    found = key_provider(services, intent.provider).find_key(caller(services, intent.provider), token=intent.token)
    if found is None:
        return None
    return {"id": found.key_id, "arn": found.arn, "trigger": intent.facts.get("trigger")}


def outcome(intent: Intent, observed: KeyObservation, services: Services) -> Outcome | None:
    """A key that goes is on its way out of the state too: nothing is planned for it, and its state is no drift."""
    if intent.step != "schedule-deletion" or observed.state != KeyState.PENDING_DELETION:
        return None
    date = observed.deletion_date
    return Outcome(attributes={"deletion_date": None if date is None else date.isoformat()}, leaving=True)
