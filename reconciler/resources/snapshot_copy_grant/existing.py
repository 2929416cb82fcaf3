"""Every snapshot copy grant that a Region's warehouse has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All copy grants, ordered by name; one call."""
    found = warehouse_provider(services, provider).describe_snapshot_copy_grants(caller(services, provider))
    return [
        Existing(name=one.name, attributes={"id": one.arn, "arn": one.arn, "name": one.name}, others=(one.arn,))
        for one in found
    ]
