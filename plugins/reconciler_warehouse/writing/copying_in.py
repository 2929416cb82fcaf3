"""COPY: a file of the project, read as a load reads it, becomes rows at the table's end. Each COPY adds them once more:
it is a load that remembers what was loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.errors import ConflictException, ValidationException
from reconciler.providers.warehouse import OpenFile, StatementFile
from reconciler_warehouse.loading.column_limits import fitting, unlimited
from reconciler_warehouse.loading.new_segments import write_empty, write_rows
from reconciler_warehouse.loading.sources import digest, form
from reconciler_warehouse.loading.tabular import infer, row_groups
from reconciler_warehouse.queries.table_state import TableState
from reconciler_warehouse.writing.edit import Edit, Work, require_not_stopped
from reconciler_warehouse.writing.kinds import CopyIn


def edit_of(work: Work, copy: CopyIn, open_file: OpenFile) -> Edit:
    """What the COPY changes. ValidationException; ConflictException for a file that changes meanwhile; whatever
    ``open_file`` raises."""
    uid = work.uid_of(copy.table)
    file = open_file(copy.path)
    found = form(file.path)
    if copy.form is not None and copy.form != found:
        raise ValidationException(
            f"{copy.path} is not {copy.form.upper()} by its name", suggestion="Leave FORMAT out, or rename the file."
        )
    schema = work.columns(copy.table)
    known = schema is not None
    if schema is None:
        schema = infer(work.site.fs, file.path, work.unwrap)
    to = work.destination(uid)
    read = row_groups(work.site.fs, file.path, unlimited(schema), work.unwrap)
    added = write_rows(to, schema, fitting(_until_stopped(work, read), schema))
    _require_same(work, file, copy.path)
    rows = sum(one.rows for one in added)
    if not known and not added:
        added = [write_empty(to, schema)]
    # A table without columns gets those of this file only while it has none yet: of two files one is worked out again.
    empty = TableState(name=copy.table, uid=uid, origin=work.cluster.uid, segments=(), vectors={})
    return Edit(table=uid, rows=rows, seen=() if known else (empty,), added=added, schema=schema if known else None)


def _until_stopped(work: Work, tables: Iterator[Any]) -> Iterator[Any]:
    for table in tables:
        require_not_stopped(work.site)
        yield table


def _require_same(work: Work, file: StatementFile, name: str) -> None:
    """The file that was found, below the project and through no link, is the one that was read (CONTRACT 1)."""
    if digest(work.site.fs, file.path) != file.sha256:
        raise ConflictException(
            f"{name} was changed while it was copied; nothing of it was kept",
            suggestion="Run the command again when the file stands still.",
        )
