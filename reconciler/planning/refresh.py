"""Ask each kind what is there now: one sweep a kind and provider (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded
from reconciler.resources import registry
from reconciler.resources.kind import Observation, Target


def refresh(rows: Iterable[Recorded], services: Services) -> dict[Address, Observation | None]:
    """What the providers say of every recorded resource; None for what is not there."""
    seen: dict[Address, Observation | None] = {}
    ordered = sorted(rows, key=lambda row: row.address)
    for kind, group in groupby(ordered, lambda row: row.address.kind):
        targets = [Target(address=row.address, provider=row.provider, attributes=row.attributes) for row in group]
        seen.update(dict.fromkeys((target.address for target in targets), None))
        seen.update(registry.kind(kind).observe(targets, services))
    return seen


def remembered(row: Recorded) -> Observation | None:
    """The observation that the state keeps of a resource (``--no-refresh``)."""
    if row.observed is None:
        return None
    found: Observation = registry.kind(row.address.kind).observation.model_validate_json(row.observed)
    return found


def canonical(observation: Observation | None) -> str | None:
    """An observation as the state keeps it: equal texts, nothing moved."""
    return None if observation is None else observation.model_dump_json()
