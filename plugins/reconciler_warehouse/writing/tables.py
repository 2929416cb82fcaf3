"""CREATE TABLE, CREATE TABLE AS, DROP TABLE, TRUNCATE."""

from __future__ import annotations

from reconciler.errors import ValidationException
from reconciler_warehouse.loading.column_limits import fitting
from reconciler_warehouse.loading.new_segments import NewSegment, write_empty, write_rows
from reconciler_warehouse.queries.locked_engine import answered, locked_engine
from reconciler_warehouse.writing.answers import casting, described, rows_of
from reconciler_warehouse.writing.column_types import arrow_schema, kept_as, settled_schema
from reconciler_warehouse.writing.deleting import emptied
from reconciler_warehouse.writing.edit import Edit, NewTable, Work
from reconciler_warehouse.writing.kinds import CreateTable, CreateTableAs, DropTable, Truncate


def created(work: Work, create: CreateTable) -> Edit | None:
    """The new table, None when it is there and may be. ValidationException."""
    if _is_there(work, create.table, create.only_if_absent):
        return None
    table = NewTable(uid=work.site.uid(), name=create.table, backup=create.backup)
    empty = write_empty(work.destination(table.uid), arrow_schema(create.columns))
    return Edit(table=table.uid, rows=None, added=[empty], makes=table)


def created_as(work: Work, create: CreateTableAs) -> Edit | None:
    """The new table with its rows, None when it is there and may be. ValidationException."""
    if _is_there(work, create.table, create.only_if_absent):
        return None
    query = work.translated(create.query)
    read = work.reads(query)
    table = NewTable(uid=work.site.uid(), name=create.table, backup=create.backup)

    def segments() -> list[NewSegment]:
        with locked_engine(read.datasets(work.reading), work.site.interruptible) as engine:
            names, types = described(engine, query.text)
            if create.columns and len(create.columns) != len(names):
                raise ValidationException(
                    f"{len(create.columns)} names for the {len(names)} columns of the query of {create.table}"
                )
            names = [name.lower() for name in create.columns or names]
            kinds = [kept_as(name, kind) for name, kind in zip(names, types, strict=True)]
            shown = [(name, number, kind) for number, (name, kind) in enumerate(zip(names, kinds, strict=True))]
            cast = casting(query.text, len(names), shown)
            shape = engine.sql(f"SELECT * FROM ({cast}) LIMIT 0").to_arrow_table()  # noqa: S608  # translated
            schema = settled_schema(shape.schema, names)
            to = work.destination(table.uid)
            return write_rows(to, schema, fitting(rows_of(engine, cast), schema)) or [write_empty(to, schema)]

    added = answered(work.reading, segments)
    rows = sum(one.rows for one in added)
    return Edit(table=table.uid, rows=rows, seen=read.states, added=added, makes=table)


def dropped(work: Work, drop: DropTable) -> Edit | None:
    """The table goes, None when it is not there and need not be. ValidationException."""
    if drop.only_if_there and drop.table not in work.tables:
        return None
    return Edit(table=work.uid_of(drop.table), rows=None, drops=True)


def truncated(work: Work, truncate: Truncate) -> Edit | None:
    """The table without rows. ValidationException."""
    state = work.states([truncate.table])[truncate.table]
    return emptied(work, state, None)


def _is_there(work: Work, table: str, only_if_absent: bool) -> bool:
    if table not in work.tables:
        return False
    if only_if_absent:
        return True
    raise ValidationException(
        f"Cluster {work.cluster.name} has a table {table} already; nothing was changed",
        suggestion="Drop it first, or write IF NOT EXISTS.",
    )
