"""Every keyspace that a table service has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.typed import caller, table_provider
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All keyspaces, ordered by name; one call."""
    return [
        Existing(
            name=one.name,
            attributes={"id": one.arn, "arn": one.arn, "name": one.name, "replication": one.replication},
            others=(one.arn,),
        )
        for one in table_provider(services, provider).describe_keyspaces(caller(services, provider))
    ]
