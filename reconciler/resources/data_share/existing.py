"""Every share that a warehouse has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.typed import caller
from reconciler.providers.warehouse import SharesData
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All shares, ordered by name; one call. None where the warehouse shares nothing."""
    warehouse = services.provider(provider)
    if not isinstance(warehouse, SharesData):
        return []
    return [
        Existing(
            name=one.name,
            attributes={"id": one.arn, "arn": one.arn, "name": one.name, "uid": one.uid},
            others=(one.arn,),
        )
        for one in warehouse.describe_data_shares(caller(services, provider))
    ]
