"""Whether an interrupted create made its share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, sharing_data
from reconciler.resources.reference import planned_arn


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the share of that name, if it is between the clusters and has the tables that the step was to
    give it: one that differs is somebody else's, and never taken over (I17)."""
    if intent.step != "create-share":
        return None
    ends = [planned_arn(intent.facts[end], services) for end in ("producer", "consumer")]
    names = [None if arn is None else arn.rpartition(":")[2] for arn in ends]
    who = caller(services, intent.provider)
    for one in sharing_data(services, intent.provider).describe_data_shares(who, [str(intent.facts["share"])]):
        if [one.producer, one.consumer] == names and sorted(one.tables) == sorted(intent.facts["tables"]):
            return {"id": one.arn, "arn": one.arn, "name": one.name, "uid": one.uid}
    return None
