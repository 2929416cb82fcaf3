"""Whether an interrupted create made its alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, naming_keys


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the alias, if there is one of that name; the diff that follows retargets it where it must."""
    if intent.step != "create-alias":
        return None
    name = str(intent.facts["name"])
    found = naming_keys(services, intent.provider).list_aliases(caller(services, intent.provider), [name])
    return {"id": found[0].name, "arn": found[0].arn} if found else None
