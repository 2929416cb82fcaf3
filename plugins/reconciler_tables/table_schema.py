"""A table's schema: checked when the table is made, kept as JSON in the catalogue."""

from __future__ import annotations

import json
from functools import lru_cache

from reconciler.errors import ValidationException
from reconciler.providers.tables import ClusteringColumn, Column, TableSchema
from reconciler_tables.cql_types import TYPES
from reconciler_tables.names import check_column_name


def check_schema(schema: TableSchema) -> None:
    """ValidationException with the first thing that is wrong."""
    names = [column.name for column in schema.columns]
    for column in schema.columns:
        check_column_name(column.name)
        if column.type not in TYPES:
            raise ValidationException(
                f'Column "{column.name}" has type "{column.type}", which tables do not have',
                suggestion="Choose one of " + ", ".join(sorted(TYPES)) + ".",
            )
        if names.count(column.name) > 1:
            raise ValidationException(f'Column "{column.name}" is declared more than once')
    if not schema.partition_key:
        raise ValidationException("A table needs at least one partition key column")
    clustering = [column.name for column in schema.clustering_key]
    used: set[str] = set()
    for role, chosen in (
        ("partition key", schema.partition_key),
        ("clustering key", clustering),
        ("static column", schema.static),
    ):
        for name in chosen:
            if name not in names:
                raise ValidationException(f'The {role} names "{name}", which is no column of the table')
            if name in used:
                raise ValidationException(f'The {role} names "{name}", which has a role in the table already')
            used.add(name)
    for ordered in schema.clustering_key:
        if ordered.order not in {"ASC", "DESC"}:
            raise ValidationException(f'Clustering order of "{ordered.name}" is "{ordered.order}": ASC or DESC')
    if schema.static and not schema.clustering_key:
        raise ValidationException("Static columns need at least one clustering key column")


def as_json(schema: TableSchema) -> str:
    """The schema as the catalogue keeps it."""
    return json.dumps(
        {
            "columns": [[column.name, column.type] for column in schema.columns],
            "partitionKey": list(schema.partition_key),
            "clusteringKey": [[column.name, column.order] for column in schema.clustering_key],
            "static": list(schema.static),
        }
    )


@lru_cache(maxsize=1024)
def from_json(text: str) -> TableSchema:
    """What ``as_json`` was given. Remembered, since a sweep describes many tables and their schemas are often alike."""
    raw = json.loads(text)
    return TableSchema(
        columns=tuple(Column(name=name, type=kind) for name, kind in raw["columns"]),
        partition_key=tuple(raw["partitionKey"]),
        clustering_key=tuple(ClusteringColumn(name=name, order=order) for name, order in raw["clusteringKey"]),
        static=tuple(raw["static"]),
    )
