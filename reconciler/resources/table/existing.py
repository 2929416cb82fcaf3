"""Every table that a table service has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.typed import caller, table_provider
from reconciler.resources.kind import Existing
from reconciler.resources.table.steps import identity_of


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All tables, ordered by keyspace and name; one call. ``others``: ``keyspace.table``, and the ARN."""
    return [
        Existing(name=one.name, attributes=identity_of(one), others=(f"{one.keyspace}.{one.name}", one.arn))
        for one in table_provider(services, provider).describe_tables(caller(services, provider))
    ]
