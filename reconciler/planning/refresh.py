"""Ask each kind what is there now: one sweep a kind and provider (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from reconciler.errors import AccessDeniedException
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
        targets = [
            Target(address=row.address, provider=row.provider, attributes=row.attributes, observed=row.observed)
            for row in group
        ]
        seen.update(dict.fromkeys((target.address for target in targets), None))
        seen.update(registry.kind(kind).observe(targets, services))
    return seen


def look(
    rows: Iterable[Recorded], services: Services
) -> tuple[dict[Address, Observation | None], dict[Address, AccessDeniedException]]:
    """As ``refresh``, and which resources the caller may not look at: those are in the second answer alone. Where a
    sweep is denied, each resource is asked for by itself."""
    seen: dict[Address, Observation | None] = {}
    denied: dict[Address, AccessDeniedException] = {}
    ordered = sorted(rows, key=lambda row: row.address)
    for _, group in groupby(ordered, lambda row: row.address.kind):
        alike = list(group)
        try:
            seen.update(refresh(alike, services))
        except AccessDeniedException:
            for row in alike:
                try:
                    seen.update(refresh([row], services))
                except AccessDeniedException as error:
                    denied[row.address] = error
    return seen, denied


def remembered(row: Recorded) -> Observation | None:
    """The observation that the state keeps of a resource (``--no-refresh``)."""
    if row.observed is None:
        return None
    found: Observation = registry.kind(row.address.kind).observation.model_validate_json(row.observed)
    return found


def canonical(observation: Observation | None) -> str | None:
    """An observation as the state keeps it: equal texts, nothing moved."""
    return None if observation is None else observation.model_dump_json()
