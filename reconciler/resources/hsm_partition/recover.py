"""Whether an interrupted step adopted its partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, hsm_provider
from reconciler.resources.hsm_partition.steps import identity_of


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the partition that was adopted for the intent's token, None if none was (I10)."""
    if intent.step != "adopt-partition":
        return None
    provider = hsm_provider(services, intent.provider)
    found = provider.find_partition(caller(services, intent.provider), token=intent.token)
    return None if found is None else identity_of(found)
