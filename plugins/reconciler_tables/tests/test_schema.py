"""A schema that cannot be is refused with what is wrong; one that can comes back as it was."""

from __future__ import annotations

import pytest

from reconciler.errors import ValidationException
from reconciler.providers.tables import ClusteringColumn, Column, TableSchema
from reconciler.testing.table_contract import ORDERS
from reconciler_tables.table_schema import as_json, check_schema, from_json

A, B, C = Column(name="a", type="int"), Column(name="b", type="text"), Column(name="c", type="text")

WRONG: dict[str, tuple[TableSchema, str]] = {
    "no partition key": (TableSchema(columns=(A,), partition_key=()), "at least one partition key"),
    "unknown type": (
        TableSchema(columns=(Column(name="a", type="list<int>"),), partition_key=("a",)),
        'type "list<int>", which tables do not have',
    ),
    "twice a column": (TableSchema(columns=(A, A), partition_key=("a",)), '"a" is declared more than once'),
    "a key that is no column": (TableSchema(columns=(A,), partition_key=("z",)), '"z", which is no column'),
    "a column with two roles": (
        TableSchema(columns=(A, B), partition_key=("a",), clustering_key=(ClusteringColumn(name="a"),)),
        '"a", which has a role',
    ),
    "an order that is none": (
        TableSchema(columns=(A, B), partition_key=("a",), clustering_key=(ClusteringColumn(name="b", order="UP"),)),
        'is "UP": ASC or DESC',
    ),
    "static without clustering": (TableSchema(columns=(A, B), partition_key=("a",), static=("b",)), "Static columns"),
    "a static key": (
        TableSchema(
            columns=(A, B, C), partition_key=("a",), clustering_key=(ClusteringColumn(name="b"),), static=("b",)
        ),
        '"b", which has a role',
    ),
    "a column name": (TableSchema(columns=(Column(name="a-b", type="int"),), partition_key=("a-b",)), '"a-b" is not'),
}


@pytest.mark.parametrize(("schema", "cause"), WRONG.values(), ids=WRONG.keys())
def test_a_schema_that_cannot_be_is_refused(schema: TableSchema, cause: str) -> None:
    with pytest.raises(ValidationException, match=cause):
        check_schema(schema)


def test_a_schema_comes_back_as_it_was() -> None:
    check_schema(ORDERS)
    assert from_json(as_json(ORDERS)) == ORDERS
