"""Types of columns: as a statement names them, as Arrow keeps them, as DuckDB calls them.

Needs duckdb, pyarrow and sqlglot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import ValidationException
from reconciler_warehouse.loading.column_limits import MOST_BYTES
from reconciler_warehouse.loading.tabular import settled
from reconciler_warehouse.queries.locked_engine import quoted
from reconciler_warehouse.writing.kinds import NewColumn

LONGEST_TEXT: Final = 65535
_WIDEST: Final = 38
_PLAIN: Final = {
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "TIME": pa.time64("us"),
    "VARBINARY": pa.binary(),
}
_TEXTS: Final = {"VARCHAR": 256, "NVARCHAR": 256, "TEXT": LONGEST_TEXT, "CHAR": 1, "NCHAR": 1, "BPCHAR": 256}
_DECIMALS: Final = {"DECIMAL", "UDECIMAL"}
_DECIMAL: Final = (18, 0)  # when nothing is said
_KEPT_AS: Final = {"HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)", "UUID": "VARCHAR", "JSON": "VARCHAR"}
_NOT_KEPT: Final = ("INTERVAL", "BIT", "STRUCT", "MAP", "UNION", "TIME WITH TIME ZONE", "VARIANT", "GEOMETRY", "BIGNUM")


def arrow_schema(columns: Sequence[NewColumn]) -> Any:
    """The columns of a new table. ValidationException for a type that is not kept."""
    return pa.schema([_field(one) for one in columns])


def duck_types(engine: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """What DuckDB calls the types of a table that it knows, in order."""
    return [str(row[1]) for row in engine.execute(f"DESCRIBE {quoted(table)}").fetchall()]


def kept_as(column: str, kind: str) -> str:
    """The type under which a table keeps what a query answers with. ValidationException for what it cannot keep."""
    if kind.strip('"') == "NULL":
        return "VARCHAR"
    if kind.startswith(_NOT_KEPT) or kind.endswith("]"):
        raise ValidationException(
            f"Column {column} would be of type {kind}, which a table does not keep",
            suggestion="CAST it to a number, a text, a date or a time.",
        )
    return "VARCHAR" if kind.startswith("ENUM") else _KEPT_AS.get(kind, kind)


def settled_schema(schema: Any, names: Sequence[str]) -> Any:
    """The columns of a table that a query's answer fills. ValidationException for two of one name."""
    seen: set[str] = set()
    for name in names:
        if not name.strip() or name in seen:
            problem = f"two columns called {name}" if name.strip() else "a column without a name"
            raise ValidationException(f"The query has {problem}", suggestion="Name each with AS.")
        seen.add(name)
    return pa.schema([pa.field(name, settled(one.type)) for name, one in zip(names, schema, strict=True)])


def _field(column: NewColumn) -> Any:
    kind = str(column.kind.this.name).upper()
    numbers = [int(one.name) for one in column.kind.expressions if one.name.isdigit()]
    if kind in _TEXTS:
        found, most = pa.string(), numbers[0] if numbers else _TEXTS[kind]
        if column.kind.expressions and not numbers:  # VARCHAR(MAX)
            most = LONGEST_TEXT
    elif kind in _DECIMALS:
        precision, scale = (*numbers, *_DECIMAL[len(numbers) :])[:2]
        if not 1 <= precision <= _WIDEST or scale > precision:
            raise ValidationException(f"Column {column.name}: there is no DECIMAL({precision},{scale})")
        found, most = pa.decimal128(precision, scale), None
    elif kind in _PLAIN:
        found, most = _PLAIN[kind], numbers[0] if numbers and kind == "VARBINARY" else None
    else:
        raise ValidationException(
            f"Column {column.name} is of type {column.kind.sql(dialect='redshift')}, which is not kept here",
            suggestion="Kept are SMALLINT, INTEGER, BIGINT, DECIMAL, REAL, DOUBLE PRECISION, BOOLEAN, CHAR, VARCHAR, "
            "TEXT, DATE, TIME, TIMESTAMP, TIMESTAMPTZ and VARBYTE.",
        )
    if most is not None and not 1 <= most <= LONGEST_TEXT:
        raise ValidationException(f"Column {column.name}: a length is 1 to {LONGEST_TEXT} bytes")
    metadata = None if most is None else {MOST_BYTES: str(most)}
    return pa.field(column.name, found, nullable=column.is_nullable, metadata=metadata)
