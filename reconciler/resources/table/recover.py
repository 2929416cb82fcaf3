"""Whether an interrupted step was carried out: did it make its table, or switch its key?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.change import Outcome
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, table_provider
from reconciler.resources.reference import planned_arn
from reconciler.resources.table.diff import ACTIVE
from reconciler.resources.table.observe import TableObservation
from reconciler.resources.table.steps import identity_of


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the table that the intent's token made, None if it made none (I10)."""
    if intent.step != "create-table":
        return None
    found = table_provider(services, intent.provider).find_table(caller(services, intent.provider), token=intent.token)
    return None if found is None else identity_of(found)


def outcome(intent: Intent, observed: TableObservation, services: Services) -> Outcome | None:
    """What a switch of key would have left, None while it is not carried out: the plan that follows sees the table
    under the key that is asked for, and nobody else would ever say so in the state."""
    if intent.step not in ("switch-key", "verify-key") or observed.status != ACTIVE:
        return None
    key = intent.facts["key"]
    wanted = None if key is None else planned_arn(key, services)
    if observed.key_arn != wanted or (key is not None and wanted is None):
        return None
    return Outcome(attributes={"key_arn": observed.key_arn})
