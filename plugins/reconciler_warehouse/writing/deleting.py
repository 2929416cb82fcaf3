"""DELETE: marks in delete vectors; a segment that has no row left goes whole."""

from __future__ import annotations

from typing import Any

from reconciler_warehouse.blocks.delete_vectors import DeleteVector
from reconciler_warehouse.loading.new_segments import NewSegment, write_empty
from reconciler_warehouse.queries.locked_engine import answered, locked_engine
from reconciler_warehouse.queries.table_state import TableState
from reconciler_warehouse.writing.answers import rows_of
from reconciler_warehouse.writing.edit import Edit, Work
from reconciler_warehouse.writing.kinds import Delete
from reconciler_warehouse.writing.places import Marks, find


def edit_of(work: Work, delete: Delete) -> Edit | None:
    """What the DELETE changes; None when no row is meant. ValidationException."""
    if delete.condition is None and not delete.among:
        state = work.states([delete.table])[delete.table]
        return None if not state.rows else emptied(work, state, state.rows)
    found = find(work, delete, [], distinct=True)
    marks = Marks(found.state, once=False)

    def rows() -> None:
        with locked_engine(found.datasets, work.site.interruptible) as engine:
            for table in rows_of(engine, found.query):
                marks.add(table.column(0), table.column(1))

    answered(work.reading, rows)
    if not marks.rows:
        return None
    marked, removed = split(found.state, marks.vectors(work))
    added = kept_columns(work, found.state, removed, found.state.schema(work.deks))
    return Edit(table=found.state.uid, rows=marks.rows, seen=found.read, marked=marked, removed=removed, added=added)


def emptied(work: Work, state: TableState, rows: int | None) -> Edit:
    """All of a table's rows go, its columns stay."""
    schema = state.schema(work.deks)
    return Edit(
        table=state.uid,
        rows=rows,
        seen=[state],
        removed=frozenset(one.uid for one in state.segments),
        added=[write_empty(work.destination(state.uid), schema)],
    )


def split(state: TableState, vectors: dict[str, DeleteVector]) -> tuple[dict[str, DeleteVector], frozenset[str]]:
    """Segments that keep rows, with their vectors, and those that do not."""
    removed = frozenset(uid for uid, vector in vectors.items() if vector.deleted == vector.rows)
    return {uid: vector for uid, vector in vectors.items() if uid not in removed}, removed


def kept_columns(work: Work, state: TableState, removed: frozenset[str], schema: Any) -> list[NewSegment]:
    """An empty segment where none would be left to say what the columns are."""
    if len(removed) < len(state.segments):
        return []
    return [write_empty(work.destination(state.uid), schema)]
