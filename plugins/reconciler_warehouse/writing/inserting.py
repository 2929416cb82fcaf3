"""INSERT: the rows of VALUES, or of a query, become segments at the table's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp

from reconciler.errors import ValidationException
from reconciler_warehouse.loading.column_limits import fitting
from reconciler_warehouse.loading.new_segments import NewSegment, write_rows
from reconciler_warehouse.queries.locked_engine import answered, locked_engine
from reconciler_warehouse.queries.statements import INTERNAL, refused
from reconciler_warehouse.writing.answers import casting, described, rows_of
from reconciler_warehouse.writing.column_types import duck_types
from reconciler_warehouse.writing.edit import Edit, Work
from reconciler_warehouse.writing.kinds import Insert

_SHAPE = f"{INTERNAL}shape"  # an empty table with the columns of the one that is inserted into


def edit_of(work: Work, insert: Insert) -> Edit:
    """What the INSERT changes. ValidationException."""
    schema = work.columns(insert.table)
    if schema is None:
        raise ValidationException(f"Table {insert.table} has no columns yet", suggestion="Load a file into it first.")
    columns = columns_listed(insert.table, insert.columns, schema)
    rows = work.translated(insert.rows)
    read = work.reads(rows)

    def segments() -> list[NewSegment]:
        known = {**read.datasets(work.reading), _SHAPE: [schema.empty_table()]}
        with locked_engine(known, work.site.interruptible) as engine:
            types = dict(zip(schema.names, duck_types(engine, _SHAPE), strict=True))
            query = _cast_one_by_one(insert, columns, types) if isinstance(insert.rows, exp.Values) else rows.text
            found = len(columns) if isinstance(insert.rows, exp.Values) else len(described(engine, query)[0])
            if found != len(columns):
                raise ValidationException(
                    f"{found} values for {len(columns)} columns of {insert.table}",
                    suggestion=f"Its columns: {', '.join(columns)}.",
                )
            places = {name: number for number, name in enumerate(columns)}
            shown = [(name, places.get(name), types[name]) for name in schema.names]
            fit = fitting(rows_of(engine, casting(query, found, shown)), schema)
            return write_rows(work.destination(work.uid_of(insert.table)), schema, fit)

    added = answered(work.reading, segments)
    return Edit(
        table=work.uid_of(insert.table),
        rows=sum(one.rows for one in added),
        seen=read.states,
        added=added,
        schema=schema,
    )


def columns_listed(table: str, listed: Sequence[str], schema: Any) -> list[str]:
    """Names of columns as the table has them; all of them when none is listed. ValidationException."""
    known: Mapping[str, str] = {name.lower(): name for name in schema.names}
    for name in listed:
        if name not in known:
            raise ValidationException(
                f"Table {table} has no column {name}", suggestion=f"Its columns: {', '.join(schema.names)}."
            )
    return [known[name] for name in listed] or list(schema.names)


def _cast_one_by_one(insert: Insert, columns: Sequence[str], types: Mapping[str, str]) -> str:
    """The query of VALUES, translated before: each value is cast by itself, since the engine would look for one type of
    all. ValidationException."""
    kinds = [types[name] for name in columns]
    rows: list[str] = []
    for number, row in enumerate(insert.rows.expressions, 1):
        values = row.expressions if isinstance(row, exp.Tuple) else [row]
        if len(values) != len(columns):
            raise ValidationException(
                f"Row {number} of VALUES has {len(values)} values for {len(columns)} columns of {insert.table}",
                suggestion=f"Its columns: {', '.join(columns)}.",
            )
        if any(isinstance(one, exp.Star) for one in values):
            raise refused("VALUES has no * here", "")
        cast = (f"CAST({_value(one)} AS {kind})" for one, kind in zip(values, kinds, strict=True))
        rows.append(f"({', '.join(cast)})")
    return f"SELECT * FROM (VALUES {', '.join(rows)})"  # noqa: S608  # translated


def _value(value: exp.Expr) -> str:
    """DEFAULT is NULL: columns have no other default here."""
    is_default = isinstance(value, exp.Var) and value.name.upper() == "DEFAULT"
    return "NULL" if is_default else value.sql(dialect="duckdb", copy=False)
