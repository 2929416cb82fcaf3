"""What the warehouse says of each recorded share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.typed import caller, sharing_data
from reconciler.providers.warehouse import DataShareDescription
from reconciler.resources.kind import DataObservation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class DataShareObservation(DataObservation):
    """A share as it is now. ``status`` is ACTIVE, or UNAVAILABLE while a cluster of it is out of reach (RE8)."""

    arn: str
    producer: str
    consumer: str
    tables: tuple[str, ...]
    status: str
    created_at: datetime


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, DataShareObservation | None]:
    """One call a provider for all of its shares."""
    seen: dict[Address, DataShareObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {name_of(target.attributes): target.address for target in group}
        found = sharing_data(services, provider).describe_data_shares(caller(services, provider), only_few(names))
        there = {one.name: observation_of(one) for one in found}
        for name, address in names.items():
            seen[address] = there.get(name)
    return seen


def observation_of(description: DataShareDescription) -> DataShareObservation:
    """A description as an observation."""
    return DataShareObservation(
        arn=description.arn,
        uid=description.uid,
        producer=description.producer,
        consumer=description.consumer,
        tables=tuple(sorted(description.tables)),
        status=description.status,
        created_at=description.created_at,
    )
