"""What the table service says of each recorded table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.tables import TableDescription, TableSchema
from reconciler.providers.typed import caller, table_provider
from reconciler.resources.kind import DataObservation, Observation, Target
from reconciler.resources.reference import name_of
from reconciler.resources.sweep import by_provider, only_few


class SchemaObservation(Observation):
    """A table's schema: columns are (name, CQL type) in the order of their names, clustering columns (name, order)."""

    columns: tuple[tuple[str, str], ...]
    partition_key: tuple[str, ...]
    clustering_key: tuple[tuple[str, str], ...]
    static: tuple[str, ...]


class TableObservation(DataObservation):
    """A table as it is now. ``key_arn`` None: the owned key (KS2). Times are UTC."""

    arn: str
    status: str
    table_schema: SchemaObservation
    key_arn: str | None
    table_key_id: str
    grant_id: str | None
    rows: int
    bytes: int
    created_at: datetime

    def steady_json(self) -> str:
        """See ``Observation.steady_json``."""
        return self.model_dump_json(exclude={"rows", "bytes"})


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, TableObservation | None]:
    """One call a provider for all of its tables."""
    seen: dict[Address, TableObservation | None] = {}
    for provider, group in by_provider(targets):
        names = {(str(target.attributes["keyspace"]), name_of(target.attributes)): target.address for target in group}
        found = table_provider(services, provider).describe_tables(caller(services, provider), only_few(names))
        there = {(description.keyspace, description.name): description for description in found}
        for name, address in names.items():
            seen[address] = observation_of(there[name]) if name in there else None
    return seen


def observation_of(description: TableDescription) -> TableObservation:
    """A description as an observation."""
    return TableObservation(
        arn=description.arn,
        uid=description.uid,
        status=description.status,
        table_schema=schema_observation(description.schema),
        key_arn=description.key_arn,
        table_key_id=description.table_key_id,
        grant_id=description.grant_id,
        rows=description.rows,
        bytes=description.bytes,
        created_at=description.created_at,
    )


def schema_observation(schema: TableSchema) -> SchemaObservation:
    """A schema by its meaning: the order of columns is none, and ``varchar`` is ``text``."""
    return SchemaObservation(
        columns=tuple(sorted((column.name, _type(column.type)) for column in schema.columns)),
        partition_key=schema.partition_key,
        clustering_key=tuple((column.name, column.order.upper()) for column in schema.clustering_key),
        static=tuple(sorted(schema.static)),
    )


def _type(cql: str) -> str:
    name = cql.lower().replace(" ", "")
    return "text" if name == "varchar" else name
