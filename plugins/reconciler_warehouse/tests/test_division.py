"""Division as Redshift divides: integers to an integer, towards zero; by zero never; in every place of a statement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ValidationException
from reconciler_warehouse.tests.statement_worlds import run
from reconciler_warehouse.tests.worlds import OWNED, World

EXPRESSIONS: dict[str, Any] = {
    "7 / 2": 3,
    "-7 / 2": -3,
    "7 / -2": -3,
    "7 % 2": 1,
    "-7 % 2": -1,
    "mod(-7, 2)": -1,
    "7 / 2 * 2.0": 6,
    "7.0 / 2": 3.5,
    "7 / 2.0": 3.5,
    "7::float / 2": 3.5,
    "7::decimal(10, 2) / 2": 3.5,
    "7.5 % 2": 1.5,
    "'7' / 2": 3,
    "NULL / 0": None,
    "9223372036854775807::bigint / 1::bigint": 9223372036854775807,
    "round(5 / 2)": 2,
    "small / 2": 3,
    "small % 2": 1,
    "-small / 2": -3,
    "whole / small": 1428571428571,
    "whole % small": 2,
    "small / NULLIF(zero, 0)": None,
    "CASE WHEN zero <> 0 THEN small / zero END": None,
    "small / 2.0": 3.5,
    "dec / 2": 3.75,
    "dec % 2": 1.5,
    "small / dec": 7 / 7.5,
    "dbl / small": 0.5,
    "dbl % 2": 1.5,
    "count(*) / 2": 0,
    "sum(small) / 2": 3,
    "(sum(small) + 0.0) / 2": 3.5,
}
BY_ZERO = (
    *("1 / 0", "1 % 0", "mod(1, 0)", "1.0 / 0", "1.0 % 0", "1::float / 0", "1::float % 0"),
    *("small / zero", "small % zero", "dbl / zero", "dbl % zero", "dec / zero", "dec % zero", "dbl / 0.0"),
)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("division")
    world = World(home=folder / "home", files=folder / "files")
    world.create(OWNED)
    run(world, "CREATE TABLE t (small smallint, whole bigint, zero int, dec decimal(10, 2), dbl double precision)")
    run(world, "INSERT INTO t VALUES (7, 10000000000000 - 1, 0, 7.5, 3.5)")
    yield world
    world.reopen()


@pytest.mark.parametrize(("expression", "value"), EXPRESSIONS.items())
def test_a_division_answers_what_redshift_answers(numbers: World, expression: str, value: Any) -> None:
    found = numbers.select(f"SELECT {expression} FROM t")[0][0]  # noqa: S608  # a test
    assert found == value
    assert not isinstance(value, int) or found == int(found)


@pytest.mark.parametrize("expression", BY_ZERO)
def test_a_division_by_zero_is_told_as_that_and_says_no_value(numbers: World, expression: str) -> None:
    for place in ("SELECT {} FROM t", "SELECT small FROM t WHERE {} > 0"):
        statement = place.format(expression)
        with pytest.raises(ValidationException) as refused:
            numbers.select(statement)
        assert refused.value.summary.endswith("Division by zero"), refused.value.summary


def test_an_overflow_of_a_division_says_no_value(numbers: World) -> None:
    with pytest.raises(ValidationException) as refused:
        numbers.select("SELECT (zero - 9223372036854775807 - 1) / (zero - 1) FROM t")
    assert refused.value.summary.endswith("Overflow in division")


def test_rows_that_a_condition_leaves_out_are_not_divided(world: World) -> None:
    world.create(OWNED)
    rows = ", ".join(f"({number}, {number % 3})" for number in range(200))
    run(world, "CREATE TABLE pairs (a int, b int)")
    run(world, f"INSERT INTO pairs VALUES {rows}")  # noqa: S608  # a test
    assert world.select("SELECT count(*) FROM pairs WHERE b <> 0 AND a / b > 0") == [(133,)]
    total = sum(number // (number % 3) for number in range(200) if number % 3)
    assert world.select("SELECT sum(a / b) FROM pairs WHERE b <> 0") == [(total,)]


def test_statements_that_change_tables_divide_in_the_same_way(world: World) -> None:
    world.create(OWNED)
    run(world, "CREATE TABLE kept (a int, b int, d double precision)")
    run(world, "INSERT INTO kept VALUES (7 / 2, 7 % 4, 7 / 2), (9, 2, 9.0 / 2)")
    run(world, "INSERT INTO kept SELECT a / b, b, a / b FROM kept WHERE a = 9")
    run(world, "UPDATE kept SET d = a / b, a = a / 2 WHERE b = 2")
    assert world.select("SELECT * FROM kept ORDER BY a, b") == [(2, 2, 2.0), (3, 3, 3.0), (4, 2, 4.0)]
    run(world, "CREATE TABLE halves AS SELECT a, a / 2 AS half, sum(a) / 2 AS sums FROM kept GROUP BY a")
    assert world.select("SELECT * FROM halves ORDER BY a") == [(2, 1, 1), (3, 1, 1), (4, 2, 2)]
    assert run(world, "DELETE FROM kept WHERE a / 3 = 1").rows_changed == 2
    for statement in ("INSERT INTO kept VALUES (1 / 0, 1, 1)", "UPDATE kept SET a = a / (b - 2)"):
        with pytest.raises(ValidationException, match="Division by zero"):
            run(world, statement)
    assert world.select("SELECT * FROM kept") == [(2, 2, 2.0)]
