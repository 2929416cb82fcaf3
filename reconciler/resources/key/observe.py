"""What the key service says of each recorded key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.keys import KeyDescription
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.kind import Observation, Target
from reconciler.resources.sweep import by_provider


class KeyObservation(Observation):
    """A key as it is now. Times are UTC; ``rotation_period_days`` None: the service does not rotate it by itself."""

    arn: str
    description: str
    key_spec: str
    key_usage: str
    state: str
    multi_region: bool
    material_id: str
    rotated_at: datetime
    rotation_period_days: int | None
    deletion_date: datetime | None
    tags: dict[str, str]


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, KeyObservation | None]:
    """One call a provider for all of its keys."""
    seen: dict[Address, KeyObservation | None] = {}
    for provider, group in by_provider(targets):
        ids = {str(target.attributes["id"]): target.address for target in group}
        found = key_provider(services, provider).describe_keys(caller(services, provider), list(ids))
        for key_id, address in ids.items():
            description = found.get(key_id)
            seen[address] = None if description is None else observation_of(description)
    return seen


def observation_of(description: KeyDescription) -> KeyObservation:
    """A description as an observation."""
    return KeyObservation(
        arn=description.arn,
        description=description.description,
        key_spec=description.key_spec,
        key_usage=description.key_usage,
        state=str(description.state),
        multi_region=description.multi_region,
        material_id=description.material_id,
        rotated_at=description.rotated_at,
        rotation_period_days=description.rotation_period_days,
        deletion_date=description.deletion_date,
        tags=dict(description.tags),
    )
