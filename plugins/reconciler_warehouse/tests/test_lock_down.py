"""What no statement reaches: files, network, extensions, settings, the process around it. Each escape is tried at both
walls: as a statement, and in the engine itself, as if the first wall had let it through.

A canary lies in a file, in the environment and in a Python variable; whatever is answered, said or left on the disk
must not hold it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest

from reconciler.errors import ReconcilerError, ValidationException
from reconciler_warehouse.queries import locked_engine
from reconciler_warehouse.queries.locked_engine import quoted
from reconciler_warehouse.tests.statement_worlds import files_under, run
from reconciler_warehouse.tests.worlds import OWNED, World

CANARY = "CANARY-7d1f3b"
ENGINE_ONLY = [
    "COPY (SELECT 1) TO '{out}'",
    "COPY (SELECT 1) TO '{out}' (FORMAT parquet)",
    "CREATE TABLE x (a VARCHAR); COPY x FROM '{file}'",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{out}' AS other",
    "ATTACH ':memory:' AS other; COPY FROM DATABASE memory TO other; ATTACH '{out}'",
    "INSTALL httpfs",
    "INSTALL '{file}'",
    "LOAD httpfs",
    "LOAD '{file}'",
    "FORCE INSTALL spatial FROM community",
    "UPDATE EXTENSIONS",
    "SET enable_external_access = true",
    "SET GLOBAL enable_external_access = true",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET max_temp_directory_size = '1GB'",
    "SET temp_directory = '{folder}'",
    "SET home_directory = '{folder}'",
    "SET extension_directory = '{folder}'",
    "SET secret_directory = '{folder}'",
    "SET disabled_filesystems = ''",
    "SET allowed_directories = ['/']",
    "SET log_query_path = '{out}'",
    "SET profiling_output = '{out}'",
    "SET python_enable_replacements = true",
    "SET python_scan_all_frames = true",
    "PRAGMA enable_profiling = 'json'",
    "PRAGMA profiling_output = '{out}'",
    "PRAGMA enable_logging",
    "PRAGMA enable_object_cache",
    "CALL enable_logging(storage = 'file', storage_path = '{folder}')",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "SELECT * FROM canary_variable",
    "CREATE FUNCTION f() AS TABLE SELECT * FROM read_text('{file}'); SELECT * FROM f()",
    "SELECT * FROM query('SELECT content FROM read_text(''{file}'')')",
]
SOURCES = [
    "read_csv('{file}')",
    "read_csv_auto('{file}')",
    "read_text('{file}')",
    "read_blob('{file}')",
    "read_json('{file}')",
    "read_parquet('{file}')",
    "parquet_metadata('{file}')",
    "sniff_csv('{file}')",
    "glob('{folder}/*')",
    "'{file}'",
    '"{file}"',
    "'{folder}/*.csv'",
    "'http://127.0.0.1:{port}/x.csv'",
    "read_csv('http://127.0.0.1:{port}/x.csv')",
    "read_text('s3://bucket/x')",
    "duckdb_settings()",
    "duckdb_secrets()",
    "query('SELECT 1')",
    "query_table('items')",
    "information_schema.tables",
    "pg_catalog.pg_settings",
    "sqlite_master",
    "canary_variable",
    "python_map_function()",
]
PLACES = [
    "SELECT * FROM {source}",
    "SELECT (SELECT count(*) FROM {source})",
    "WITH x AS (SELECT * FROM {source}) SELECT * FROM x",
    "SELECT * FROM items WHERE EXISTS (SELECT 1 FROM {source})",
    "SELECT id FROM items UNION SELECT 1 FROM {source}",
    "INSERT INTO items SELECT 1 FROM {source}",
    "INSERT INTO items VALUES ((SELECT count(*) FROM {source}))",
    "UPDATE items SET id = (SELECT count(*) FROM {source})",
    "UPDATE items SET id = 1 FROM {source}",
    "DELETE FROM items USING {source}",
    "DELETE FROM items WHERE id IN (SELECT 1 FROM {source})",
    "CREATE TABLE stolen AS SELECT * FROM {source}",
]


ABOUT_ITSELF = {  # what the engine answers of itself, and nothing else
    *("duckdb_settings()", "duckdb_secrets()", "query('SELECT 1')"),
    *("information_schema.tables", "pg_catalog.pg_settings", "sqlite_master"),
}
HARMLESS = {"PRAGMA enable_object_cache", *(PLACES[0].format(source=source) for source in ABOUT_ITSELF)}


class Ground:
    """Where the canary lies, and everything that would show an escape."""

    def __init__(self, folder: Path, listener: socket.socket) -> None:
        self.folder = folder
        self.file = folder / "canary.csv"
        self.file.write_text(f"a\n{CANARY}\n")
        self._listener = listener
        self._before = list(files_under(folder))

    def fill(self, text: str) -> str:
        port = self._listener.getsockname()[1]
        return text.format(file=self.file, folder=self.folder, out=self.folder / "out.csv", port=port)

    def check(self, said: str, attempt: str) -> None:
        assert CANARY not in said, attempt
        assert list(files_under(self.folder)) == self._before, attempt
        with pytest.raises(BlockingIOError):
            self._listener.accept()


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    folder = tmp_path / "ground"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CANARY", CANARY)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield Ground(folder, listener)


@pytest.fixture
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with locked_engine.locked_engine({}) as opened:
        yield opened


def test_the_engine_itself_reaches_nothing(ground: Ground, engine: duckdb.DuckDBPyConnection) -> None:
    canary_variable = pa.table({"a": [CANARY]})
    attempts = [*ENGINE_ONLY, *(PLACES[0].format(source=source) for source in SOURCES)]
    for attempt in attempts:
        said = ""
        with suppress(duckdb.Error):
            said = str(engine.execute(ground.fill(attempt)).fetchall())
            assert attempt in HARMLESS, attempt
        ground.check(said, attempt)
    assert canary_variable.num_rows == 1


def test_no_function_of_the_engine_whatever_it_is_called_reaches_the_canary(
    ground: Ground, engine: duckdb.DuckDBPyConnection
) -> None:
    """Every function there is, given the path of the file and the name of the variable, not only those known today."""
    functions = engine.execute(
        """SELECT DISTINCT function_name, function_type FROM duckdb_functions()
           WHERE function_type IN ('table', 'scalar', 'pragma', 'macro', 'table_macro') ORDER BY 1"""
    ).fetchall()
    assert len(functions) > 300
    for name, kind in functions:
        if "sleep" in name:
            continue
        for value in (str(ground.file), "CANARY"):
            call = f"{quoted(name)}('{value}')"
            text = {"table": "FROM ", "table_macro": "FROM ", "pragma": "CALL "}.get(kind, "SELECT ") + call
            said = ""
            with suppress(duckdb.Error):
                said = str(engine.execute(text).fetchmany(50))
            assert CANARY not in said, text
    ground.check("", "any function")


def test_the_wall_can_be_seen_to_stand(ground: Ground) -> None:
    """The same attempts do reach the canary where nothing is locked."""
    with duckdb.connect(":memory:") as open_engine:
        assert CANARY in str(open_engine.execute(ground.fill("SELECT * FROM read_csv('{file}')")).fetchall())
        open_engine.execute(ground.fill("COPY (SELECT 1) TO '{out}'"))
    assert (ground.folder / "out.csv").exists()


def test_no_statement_reaches_more_than_the_tables(world: World, ground: Ground) -> None:
    world.create(OWNED)
    run(world, "CREATE TABLE items (id int)")
    run(world, "INSERT INTO items VALUES (1)")
    attempts = [place.format(source=source) for source in SOURCES for place in PLACES]
    attempts += [ground.fill(one) for one in ENGINE_ONLY]
    for attempt in map(ground.fill, attempts):
        with pytest.raises(ReconcilerError) as refused:
            run(world, attempt)
        assert isinstance(refused.value, ValidationException), attempt
        assert CANARY not in str(refused.value), attempt
    ground.check("", "any statement")
    assert world.select("SELECT * FROM items") == [(1,)]
    assert [table.name for table in world.warehouse().describe_clusters(world.caller)[0].tables] == ["items"]


DIGITS = "CREATE TABLE digits AS " + " UNION ALL ".join(f"SELECT {digit} AS x" for digit in range(10))
BIG = f"""CREATE TABLE big AS SELECT i, '{CANARY}' || repeat(md5(i::varchar), 15) AS b FROM
    (SELECT a.x + 10 * b.x + 100 * c.x + 1000 * d.x + 10000 * e.x + 100000 * f.x AS i
     FROM digits a, digits b, digits c, digits d, digits e, digits f WHERE f.x < 2)"""  # noqa: S608  # a test


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM big ORDER BY b, i", "CREATE TABLE t AS SELECT * FROM big ORDER BY b"]
)
def test_what_does_not_fit_into_memory_is_refused_and_not_spilled(
    world: World, ground: Ground, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    world.create(OWNED)
    run(world, DIGITS)
    run(world, BIG)
    monkeypatch.setattr(locked_engine, "LOCK_DOWN", ("SET memory_limit = '80MB'", *locked_engine.LOCK_DOWN))
    with pytest.raises(ValidationException, match="more memory than there is"):
        run(world, statement)
    ground.check("", statement)
    for path in files_under(world.home):
        assert CANARY.encode() not in path.read_bytes(), path
