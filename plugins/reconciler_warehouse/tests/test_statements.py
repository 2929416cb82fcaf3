"""Which statements run, and that what runs reaches nothing but the cluster's tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from reconciler.errors import ValidationException
from reconciler_warehouse.queries import locked_engine
from reconciler_warehouse.queries.statements import classify
from reconciler_warehouse.tests.worlds import World

KNOWN = ("flights", "airlines")

ALLOWED = {
    "SELECT 1": (),
    "SELECT * FROM flights": ("flights",),
    "select * from PUBLIC.Flights f": ("flights",),
    "SELECT f.id FROM flights f JOIN airlines a ON a.id = f.id WHERE f.id IN (SELECT id FROM flights)": (
        "flights",
        "airlines",
    ),
    "WITH late AS (SELECT * FROM flights) SELECT count(*) FROM late": ("flights",),
    "WITH flights AS (SELECT * FROM flights) SELECT count(*) FROM flights": ("flights",),
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM n": (),
    "SELECT id FROM flights UNION ALL SELECT id FROM airlines": ("flights", "airlines"),
    "(SELECT id FROM flights);": ("flights",),
}

REFUSED = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM other.public.flights",
    "SELECT * FROM late, (WITH late AS (SELECT 1) SELECT * FROM late) x",
    "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a",
    "WITH gone AS (DELETE FROM flights RETURNING *) SELECT * FROM gone",
    "SELECT * INTO copy FROM flights",
    "COPY flights TO 'x'",
    "UNLOAD ('select * from flights') TO 's3://bucket/'",
    "ATTACH 'x' AS x",
    "SET threads = 1",
    "PRAGMA database_list",
    "EXPLAIN SELECT 1",
    "CREATE TABLE x AS SELECT * FROM flights",
    "UPDATE flights SET id = 1",
    "CALL something()",
    "SELECT 1; DROP TABLE flights",
    "SELECT FROM WHERE",
    "  ;  ",
]


@pytest.mark.parametrize(("statement", "tables"), ALLOWED.items())
def test_one_select_over_known_tables_is_allowed(statement: str, tables: tuple[str, ...]) -> None:
    assert classify(statement, KNOWN, "sales").tables == tables


@pytest.mark.parametrize("statement", REFUSED)
def test_anything_else_is_refused_in_one_line(statement: str) -> None:
    with pytest.raises(ValidationException) as refused:
        classify(statement, KNOWN, "sales")
    assert "\n" not in refused.value.summary


@pytest.fixture(name="engine")
def locked_down(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    engine = duckdb.connect(":memory:")
    for setting in locked_engine.LOCK_DOWN:
        engine.execute(setting)
    return engine


@pytest.mark.parametrize(
    "attempt",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "COPY (SELECT 1) TO 'out.csv'",
        "ATTACH 'out.db'",
        "EXPORT DATABASE 'out'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET max_temp_directory_size = '1GB'",
        "SET temp_directory = '/tmp'",
        "RESET lock_configuration",
        "SELECT * FROM python_variable",
    ],
)
def test_even_a_statement_that_slipped_through_reaches_nothing(engine: duckdb.DuckDBPyConnection, attempt: str) -> None:
    """The second wall, tried without the first."""
    python_variable = [1, 2, 3]
    with pytest.raises(duckdb.Error):
        engine.execute(attempt).fetchall()
    engine.close()
    assert python_variable == [1, 2, 3]


def test_nothing_is_spilled_to_the_disk(engine: duckdb.DuckDBPyConnection) -> None:
    """A sort that does not fit is an error, never a temporary file of plaintext (DATAPLANE 1b)."""
    assert engine.execute("SELECT current_setting('max_temp_directory_size')").fetchall() == [("0 bytes",)]
    engine.close()


def test_times_with_a_zone_come_back_as_python_values(world: World) -> None:
    world.create(world.key("k1"))
    world.load(world.file("t.csv", "at,name\n2013-01-01T10:00:00Z,a\n2014-01-01T04:30:00Z,b\n"), table="times")
    answer = world.warehouse().select(
        world.caller, "sales", "SELECT name, max(at) AS at FROM times GROUP BY 1 ORDER BY 1"
    )
    assert answer.columns == ("name", "at")
    assert answer.rows == [
        ("a", datetime(2013, 1, 1, 10, tzinfo=UTC)),
        ("b", datetime(2014, 1, 1, 4, 30, tzinfo=UTC)),
    ]
    assert world.select("SELECT at, at FROM times WHERE at > '2013-06-01' ORDER BY name DESC LIMIT 1") == [
        (datetime(2014, 1, 1, 4, 30, tzinfo=UTC),) * 2
    ]


def test_an_error_of_the_engine_is_one_clear_line(world: World) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    for statement in ("SELECT nope FROM flights", "SELECT CAST(tail AS integer) FROM flights"):
        with pytest.raises(ValidationException) as refused:
            world.select(statement)
        assert "\n" not in refused.value.summary
        assert refused.value.__context__ is None, "the engine's own exception would keep the engine alive"
