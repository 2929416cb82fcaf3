"""INSERT: the rows of VALUES, or of a query, become segments at the table's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp

from reconciler.errors import ValidationException
from reconciler_warehouse.column_limits import fitting
from reconciler_warehouse.locked_engine import answered, locked_engine
from reconciler_warehouse.new_segments import NewSegment, write_rows
from reconciler_warehouse.statements import INTERNAL, refused
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
    read = work.reads(work.translated(insert.rows.copy()))

    def segments() -> list[NewSegment]:
        with locked_engine({**read.datasets(work.reading), _SHAPE: [schema.empty_table()]}) as engine:
            types = dict(zip(schema.names, duck_types(engine, _SHAPE), strict=True))
            query = _query(work, insert, columns, types)
            found = len(columns) if isinstance(insert.rows, exp.Values) else len(described(engine, query)[0])
            if found != len(columns):
                raise ValidationException(
                    f"{found} values for {len(columns)} columns of {insert.table}",
                    suggestion=f"Its columns: {', '.join(columns)}.",
                )
            places = {name: number for number, name in enumerate(columns)}
            shown = [(name, places.get(name), types[name]) for name in schema.names]
            rows = fitting(rows_of(engine, casting(query, found, shown)), schema)
            return write_rows(work.destination(work.uid_of(insert.table)), schema, rows)

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


def _query(work: Work, insert: Insert, columns: Sequence[str], types: Mapping[str, str]) -> str:
    """The rows' query. Each value of VALUES is cast by itself: the engine would look for one type of all."""
    if not isinstance(insert.rows, exp.Values):
        return work.translated(insert.rows.copy()).text
    rows = insert.rows.copy()
    kinds = [exp.DataType.build(types[name], dialect="duckdb") for name in columns]
    for number, row in enumerate(rows.expressions, 1):
        values = row.expressions if isinstance(row, exp.Tuple) else [row]
        if len(values) != len(columns):
            raise ValidationException(
                f"Row {number} of VALUES has {len(values)} values for {len(columns)} columns of {insert.table}",
                suggestion=f"Its columns: {', '.join(columns)}.",
            )
        if any(isinstance(one, exp.Star) for one in values):
            raise refused("VALUES has no * here", "")
        cast = [exp.Cast(this=_value(one), to=kind.copy()) for one, kind in zip(values, kinds, strict=True)]
        row.replace(exp.Tuple(expressions=cast))
    return f"SELECT * FROM ({work.translated(rows).text})"  # noqa: S608  # translated


def _value(value: exp.Expr) -> exp.Expr:
    """DEFAULT is NULL: columns have no other default here."""
    return exp.null() if isinstance(value, exp.Var) and value.name.upper() == "DEFAULT" else value
