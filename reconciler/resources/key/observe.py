"""What the key service says of each recorded key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.keys import KeyDescription, KeyState
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.kind import Observation, Target
from reconciler.resources.sweep import by_provider

_GOING = (KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION)


class KeyObservation(Observation):
    """A key as it is now. Times are UTC; ``rotation_period_days`` None: the service does not rotate it by itself.
    ``material_expires_at`` is when imported material goes; ``primary_arn`` names the primary of a multi-Region key
    (itself, if it is that one), ``partition`` the HSM's partition that has it."""

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
    origin: str = "AWS_KMS"
    material_expires_at: datetime | None = None
    primary_arn: str | None = None
    replica_arns: tuple[str, ...] = ()
    partition: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None

    @property
    def is_going(self) -> bool:
        """Whether it waits for its deletion."""
        return self.state in _GOING

    @property
    def is_off(self) -> bool:
        """Whether it has been disabled, or waits for its deletion. A key without its material is neither."""
        return self.is_going or self.state == KeyState.DISABLED

    @property
    def lacks_material(self) -> bool:
        """Whether its imported material is to come, or to come back."""
        is_empty = self.is_going and self.origin == "EXTERNAL" and not self.material_id
        return self.state == KeyState.PENDING_IMPORT or is_empty

    @property
    def is_replica(self) -> bool:
        """Whether another key is its primary."""
        return self.primary_arn not in (None, self.arn)


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
        origin=description.origin,
        material_expires_at=description.material_expires_at,
        primary_arn=description.primary_arn,
        replica_arns=tuple(sorted(description.replica_arns)),
        partition=description.partition,
    )


def identity_of(description: KeyDescription) -> str:
    """What the state knows a key by: its id. Replicas share that with their primary, so a multi-Region key goes by its
    ARN."""
    return description.arn if description.multi_region else description.key_id
