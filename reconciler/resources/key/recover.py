"""Whether an interrupted step made its key, or scheduled its deletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.key.observe import KeyObservation, identity_of
from reconciler.resources.key.replica_steps import replica_arn
from reconciler.resources.reference import planned_arn


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the key that the intent's token made, None if it made none (I10)."""
    if intent.step == "replicate-key":
        return _replica(intent, services)
    if intent.step != "create-key":
        return None
    found = key_provider(services, intent.provider).find_key(caller(services, intent.provider), token=intent.token)
    if found is None:
        return None
    return {"id": identity_of(found), "arn": found.arn, "trigger": intent.facts.get("trigger")}


def _replica(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """A replica has no token of ours: there can be one in a Region, and there was none when it was planned."""
    primary = planned_arn(intent.facts["primary"], services)
    if primary is None:
        return None
    keys = key_provider(services, intent.provider)
    arn = replica_arn(primary, keys.region)
    found = keys.describe_keys(caller(services, intent.provider), [arn]).get(arn)
    if found is None or (found.description, dict(found.tags)) != (intent.facts["description"], intent.facts["tags"]):
        return None
    return {"id": identity_of(found), "arn": found.arn, "trigger": None}


def outcome(intent: Intent, observed: KeyObservation, services: Services) -> Outcome | None:
    """A key that goes is on its way out of the state too: nothing is planned for it, and its state is no drift."""
    if intent.step != "schedule-deletion" or not observed.is_going:
        return None
    date = observed.deletion_date
    return Outcome(attributes={"deletion_date": None if date is None else date.isoformat()}, leaving=True)
