"""UPDATE: the rows as they were are marked in delete vectors, and stand at the table's end as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from reconciler_warehouse.loading.column_limits import fitting
from reconciler_warehouse.loading.new_segments import NewSegment, write_rows
from reconciler_warehouse.queries.locked_engine import answered, locked_engine, quoted
from reconciler_warehouse.queries.statements import INTERNAL
from reconciler_warehouse.writing.answers import rows_of
from reconciler_warehouse.writing.column_types import duck_types
from reconciler_warehouse.writing.deleting import kept_columns, split
from reconciler_warehouse.writing.edit import Edit, Work
from reconciler_warehouse.writing.inserting import columns_listed
from reconciler_warehouse.writing.kinds import Update
from reconciler_warehouse.writing.places import Found, Marks, find, of_target, place_columns

_SHAPE = f"{INTERNAL}shape"


def edit_of(work: Work, update: Update) -> Edit | None:
    """What the UPDATE changes; None when no row is meant. ValidationException."""
    schema = work.states([update.table])[update.table].schema(work.deks)
    names = columns_listed(update.table, [column for column, _ in update.assignments], schema)
    becomes = dict(zip(names, (value for _, value in update.assignments), strict=True))
    shown = [_value(becomes[name]) if name in becomes else of_target(update, name) for name in schema.names]
    found = find(work, update, shown, distinct=False)
    marks = Marks(found.state, once=True)
    added = answered(work.reading, lambda: _written(work, found, schema, marks))
    if not marks.rows:
        return None
    marked, removed = split(found.state, marks.vectors(work))
    if not added:
        added = kept_columns(work, found.state, removed, schema)
    return Edit(
        table=found.state.uid,
        rows=marks.rows,
        seen=found.read,
        marked=marked,
        removed=removed,
        added=added,
        schema=schema,
    )


def _written(work: Work, found: Found, schema: Any, marks: Marks) -> list[NewSegment]:
    known = {**found.datasets, _SHAPE: [schema.empty_table()]}
    with locked_engine(known, work.site.interruptible) as engine:
        types = duck_types(engine, _SHAPE)
        columns = ", ".join(
            f"CAST(c{number} AS {kind}) AS {quoted(name)}"
            for number, (name, kind) in enumerate(zip(schema.names, types, strict=True))
        )
        named = ", ".join([place_columns(found.places), *(f"c{number}" for number in range(len(schema)))])
        query = f"SELECT {place_columns(found.places)}, {columns} FROM ({found.query}) AS answer({named})"  # noqa: S608  # translated
        rows = fitting(_marked(rows_of(engine, query), schema, marks), schema)
        return write_rows(work.destination(found.state.uid), schema, rows)


def _marked(tables: Iterator[Any], schema: Any, marks: Marks) -> Iterator[Any]:
    """The rows without their places, which are noted."""
    for table in tables:
        marks.add(table.column(0), table.column(1))
        yield table.select(range(2, 2 + len(schema)))


def _value(value: exp.Expr) -> exp.Expr:
    """DEFAULT is NULL: columns have no other default here."""
    is_default = isinstance(value, exp.Column) and not value.table and not value.this.quoted
    return exp.null() if is_default and value.name.upper() == "DEFAULT" else value
