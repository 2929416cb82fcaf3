"""The one commit of a statement: all of its edit, or nothing of it.

What the statement was worked out from is compared with what is there now, in the transaction that changes it: the
tables that it read have the same rows (whatever files and keys they lie under by now), its own table the same columns,
new rows the key of now. So statements that run at the same time come out as if they had run one after the other.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from reconciler.errors import ValidationException
from reconciler.providers.warehouse import StatementResult
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.delete_vectors import DeleteVector, VectorRow, seal_vector
from reconciler_warehouse.keys.hierarchy import key_named
from reconciler_warehouse.loading.new_segments import append, take_out
from reconciler_warehouse.online import mode
from reconciler_warehouse.queries.table_state import Moved, columns_in, content_in
from reconciler_warehouse.rows import segment_now
from reconciler_warehouse.writing import carried_out
from reconciler_warehouse.writing.carried_out import Call
from reconciler_warehouse.writing.edit import Edit, NewTable, Work

_OF_ROWS: Final = ("DELETE", "UPDATE")


class Overtaken(Moved):
    """Rows that the statement was worked out from were changed by another one: it is worked out again."""


def commit(work: Work, call: Call, verb: str, edit: Edit | None) -> StatementResult:
    """Make the edit so; None: there is nothing to do but to remember the call. Overtaken, ModeChanged."""
    rows = (0 if verb in _OF_ROWS else None) if edit is None else edit.rows
    result = StatementResult(verb=verb, rows_changed=rows)
    with work.site.catalogue.write() as catalogue:
        before = carried_out.find(catalogue, call, work.deks)  # the same call, in another process
        if before is not None:
            return before
        mode.require(catalogue, work.cluster.uid, work.cluster.dek)
        if edit is not None:
            with manifest.changing(catalogue, work.cluster.uid, work.deks) as change:
                _require_unchanged(catalogue, work, edit)
                _apply(catalogue, work, edit, change)
                work.made.commit(catalogue)
        carried_out.note(catalogue, call, result, work.deks)
    work.made.done()
    return result


def _apply(catalogue: sqlite3.Connection, work: Work, edit: Edit, change: manifest.Change) -> None:
    if edit.makes is not None:
        _make(catalogue, work, edit.makes)
    for uid, vector in edit.marked.items():
        _mark(catalogue, work, uid, change, vector)
    if edit.removed:
        take_out(catalogue, change, edit.table, edit.removed)
    append(catalogue, change, edit.table, edit.added)
    if edit.drops:
        _drop(catalogue, edit.table, change)


def _require_unchanged(catalogue: sqlite3.Connection, work: Work, edit: Edit) -> None:
    if (
        edit.makes is None
        and not catalogue.execute(
            "SELECT 1 FROM data_table WHERE uid = ? AND cluster = ?", (edit.table, work.cluster.uid)
        ).fetchone()
    ):
        raise Overtaken("its table was dropped")
    for seen in edit.seen:
        if content_in(catalogue, seen.uid) != seen.content:
            raise Overtaken(f"rows of table {seen.name} were changed")
    if edit.schema is not None:
        now = columns_in(catalogue, work.cluster.uid, edit.table, work.deks)
        if now is None or not now.equals(edit.schema, check_metadata=True):
            raise Overtaken("its columns were changed")


def _make(catalogue: sqlite3.Connection, work: Work, table: NewTable) -> None:
    taken = catalogue.execute(
        "SELECT 1 FROM data_table WHERE cluster = ? AND name = ?", (work.cluster.uid, table.name)
    ).fetchone()
    if taken:
        raise Overtaken(f"table {table.name} was made")
    catalogue.execute(
        "INSERT INTO data_table (uid, cluster, name, backup) VALUES (?,?,?,?)",
        (table.uid, work.cluster.uid, table.name, table.backup),
    )


def _mark(catalogue: sqlite3.Connection, work: Work, uid: str, change: manifest.Change, vector: DeleteVector) -> None:
    """The segment's next delete vector, sealed under the key of now."""
    row = segment_now(catalogue, "cluster", work.cluster.uid, uid)
    if row is None:
        raise Overtaken("one of its segments is gone")
    (held,) = catalogue.execute("SELECT delete_vector FROM segment WHERE uid = ?", (uid,)).fetchone()
    before = None if held is None else delete_vectors.vector_at(catalogue, held)
    change.touch(row.table, [row.ordinal])
    dek, version = work.cluster.dek, 1 if before is None else before.version + 1
    key = None if dek is None else key_named(work.deks, dek)
    identity = row.identity(work.cluster.uid)
    body = seal_vector(vector, identity, version, dek=dek, key=key, random=work.site.random)
    number = delete_vectors.add(
        catalogue, VectorRow(segment=uid, version=version, rows=vector.deleted, dek=dek, body=body)
    )
    catalogue.execute("UPDATE segment SET delete_vector = ? WHERE uid = ?", (number, uid))
    if before is not None:
        delete_vectors.let_go(catalogue, [before.id])


def _drop(catalogue: sqlite3.Connection, table: str, change: manifest.Change) -> None:
    shared = catalogue.execute(
        "SELECT s.name FROM data_share_table t JOIN data_share s ON s.uid = t.share WHERE t.data_table = ?", (table,)
    ).fetchone()
    if shared:
        raise ValidationException(
            f"The table is shared by {shared[0]}", suggestion="Take it out of the share first (DataShare.spec.tables)."
        )
    take_out(catalogue, change, table)
    catalogue.execute("DELETE FROM data_table WHERE uid = ?", (table,))
