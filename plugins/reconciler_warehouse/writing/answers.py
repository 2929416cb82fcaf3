"""What a query answers with, as rows of a table: cast to its columns in the engine, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler_warehouse.queries.locked_engine import quoted

BATCH_ROWS: Final = 1 << 16


def described(engine: duckdb.DuckDBPyConnection, query: str) -> tuple[list[str], list[str]]:
    """Names and DuckDB's types of a query's columns."""
    rows = engine.execute(f"DESCRIBE {query}").fetchall()
    return [str(row[0]) for row in rows], [str(row[1]) for row in rows]


def casting(query: str, count: int, shown: Sequence[tuple[str, int | None, str]]) -> str:
    """A query that answers with the ``count`` columns of ``query`` as others: of each its name, the number of the one
    that it comes from (None: NULL) and its type."""
    inner = ", ".join(f"c{number}" for number in range(count))
    columns = ", ".join(
        f"CAST({'NULL' if source is None else f'c{source}'} AS {kind}) AS {quoted(name)}"
        for name, source, kind in shown
    )
    return f"SELECT {columns} FROM ({query}) AS answer({inner})"  # noqa: S608  # translated, and names are quoted


def rows_of(engine: duckdb.DuckDBPyConnection, query: str) -> Iterator[Any]:
    """The query's rows, as Arrow tables, while the engine works on."""
    reader = engine.sql(query).to_arrow_reader(BATCH_ROWS)
    try:
        for batch in reader:
            yield pa.Table.from_batches([batch])
    finally:
        reader.close()
