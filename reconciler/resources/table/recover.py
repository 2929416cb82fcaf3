"""Whether an interrupted create made its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, table_provider
from reconciler.resources.table.steps import identity_of


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the table that the intent's token made, None if it made none (I10)."""
    if intent.step != "create-table":
        return None
    found = table_provider(services, intent.provider).find_table(caller(services, intent.provider), token=intent.token)
    return None if found is None else identity_of(found)
