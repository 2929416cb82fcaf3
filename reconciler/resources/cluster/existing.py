"""Every cluster that a warehouse has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.cluster.steps import identity_of
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All clusters, ordered by name; one call."""
    found = warehouse_provider(services, provider).describe_clusters(caller(services, provider))
    return [Existing(name=one.name, attributes=identity_of(one), others=(one.arn,)) for one in found]
