"""What every TableProvider must do with rows: inherit ``TableRowsContract`` beside ``TableContract``."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from reconciler.errors import InvalidRequestException
from reconciler.providers.tables import Column, TableSchema
from reconciler.testing.table_contract import ROWS, TableWorld, ada, described, make, request


class TableRowsContract:
    """The suite. A subclass gives the fixture ``world``, as for ``TableContract``."""

    @pytest.fixture
    def world(self) -> TableWorld:
        """A new world each time."""
        raise NotImplementedError("a subclass gives the world")

    def test_rows_come_back_in_clustering_order_with_their_types(self, world: TableWorld) -> None:
        make(world)
        rows = ada(world)
        assert [(row["placed"].day, row["id"]) for row in rows] == [(3, 1), (3, 2), (2, 1), (1, 1)]
        assert rows[0] == {
            "customer": "ada",
            "placed": datetime(2026, 1, 3, tzinfo=UTC),
            "id": 1,
            "total": Decimal("12.50"),
            "paid": False,
            "note": "order 3/1",
            "tier": None,
        }
        assert world.tables.get_rows(world.user, "shop", "orders", {"customer": "nobody"}) == []

    def test_a_row_is_replaced_by_its_key(self, world: TableWorld) -> None:
        make(world)
        changed = {**ROWS[0], "note": "changed", "total": None}
        world.tables.put_rows(world.user, "shop", "orders", [changed, changed])
        found = [row for row in ada(world) if row["placed"].day == 2]
        assert [(row["note"], row["total"]) for row in found] == [("changed", None)]
        assert described(world).rows == 4

    def test_static_columns_belong_to_the_partition(self, world: TableWorld) -> None:
        make(world)
        world.tables.put_rows(world.user, "shop", "orders", [{"customer": "ada", "tier": "gold"}])
        assert {row["tier"] for row in ada(world)} == {"gold"}
        assert described(world).rows == 4

    @pytest.mark.parametrize(
        ("row", "cause"),
        [
            ({"customer": "ada", "placed": "2026-01-01T00:00:00+00:00"}, '"id" of the clustering key is not given'),
            ({"placed": "2026-01-01T00:00:00+00:00", "id": 1}, '"customer" of the partition key is not given'),
            ({**ROWS[0], "id": "one"}, r'"id" \(int\) takes a whole number'),
            ({**ROWS[0], "id": 1 << 40}, r'"id" \(int\) takes a whole number of 32 bits'),
            ({**ROWS[0], "paid": 1}, r'"paid" \(boolean\) takes true or false'),
            ({**ROWS[0], "colour": "red"}, 'no column "colour"'),
            ({**ROWS[0], "note": "x" * (1 << 20)}, "the limit is 1048576"),
            ({**ROWS[0], "customer": "x" * 3000}, "the limit is 2048"),
            ({"customer": "ada", "tier": "gold", "note": "x"}, '"note" belongs to a row'),
        ],
    )
    def test_a_row_that_does_not_fit_is_refused_with_all_of_its_call(
        self, world: TableWorld, row: dict[str, Any], cause: str
    ) -> None:
        make(world)
        with pytest.raises(InvalidRequestException, match=cause):
            world.tables.put_rows(world.user, "shop", "orders", [{**ROWS[0], "note": "new"}, row])
        assert "new" not in [found["note"] for found in ada(world)]

    def test_every_type_keeps_its_values(self, world: TableWorld) -> None:
        values: dict[str, Any] = {
            "ascii": "plain",
            "bigint": -(1 << 63),
            "blob": b"\x00\xff",
            "boolean": True,
            "date": datetime(2026, 2, 28, tzinfo=UTC).date(),
            "decimal": Decimal("-1.500"),
            "double": 0.1,
            "float": 0.5,
            "int": -(1 << 31),
            "smallint": -(1 << 15),
            "text": "naïve ☃",
            "timestamp": datetime(2026, 2, 28, 12, 30, 1, 5000, tzinfo=UTC),
            "tinyint": -128,
            "uuid": UUID("12345678-1234-4234-8234-123456789abc"),
            "varint": 1 << 200,
        }
        schema = TableSchema(
            columns=(Column(name="k", type="text"), *(Column(name=f"c_{kind}", type=kind) for kind in values)),
            partition_key=("k",),
        )
        make(world, name="unrelated")
        world.tables.create_table(world.user, request("all", schema=schema), token="all types")
        row = {"k": "one", **{f"c_{kind}": value for kind, value in values.items()}}
        world.tables.put_rows(world.user, "shop", "all", [row])
        assert world.tables.get_rows(world.user, "shop", "all", {"k": "one"}) == [row]
