"""Rows that a statement is about, by where they stand: found by a query over the table with its places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from reconciler.errors import ValidationException
from reconciler_warehouse.blocks.delete_vectors import DeleteVector
from reconciler_warehouse.queries.live_rows import Places
from reconciler_warehouse.queries.locked_engine import quoted
from reconciler_warehouse.queries.statements import INTERNAL
from reconciler_warehouse.queries.table_state import TableState
from reconciler_warehouse.writing.edit import Work
from reconciler_warehouse.writing.kinds import Delete, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The table that is changed, as the engine knows it: under a name that no statement can say. ``read`` are all
    tables that the query looks at, it among them."""

    state: TableState
    read: tuple[TableState, ...]
    places: Places
    query: str
    datasets: dict[str, Sequence[Any]]


def find(work: Work, statement: Delete | Update, shown: Sequence[exp.Expr], *, distinct: bool) -> Found:
    """The query for the statement's rows: two columns that say where each stands, then ``shown``."""
    nonce = work.site.uid()
    name = f"{INTERNAL}target {nonce}"
    places = Places(segment=f"segment {nonce}", row=f"row {nonce}")
    alias = exp.to_identifier(statement.alias, quoted=True)
    columns = [exp.column(place, table=statement.alias, quoted=True) for place in (places.segment, places.row)]
    query = exp.Select().select(*columns, *shown, copy=False)
    target = exp.Table(this=exp.to_identifier(name, quoted=True), alias=exp.TableAlias(this=alias))
    query = query.from_(target, copy=False)
    for one in statement.among:
        query = query.join(one, join_type="cross", copy=False)
    if statement.condition is not None:
        query = query.where(statement.condition, copy=False)
    if statement.common is not None:
        query.set("with_" if "with_" in query.arg_types else "with", statement.common)
    if distinct:
        query = query.distinct(copy=False)
    statement_of_it = work.translated(query, [name])
    state = work.states([statement.table])[statement.table]
    read = work.reads(statement_of_it, [name])
    return Found(
        state=state,
        read=(state, *read.states),
        places=places,
        query=statement_of_it.text,
        datasets={**read.datasets(work.reading), name: [state.dataset(work.reading, work.deks, places)]},
    )


@dataclass(slots=True)
class Marks:
    """Rows that are to go, by segment. ``add`` takes what the query answers with."""

    state: TableState
    once: bool
    rows: int = 0
    _marked: dict[int, bytearray] = field(default_factory=dict)

    def add(self, segments: Any, rows: Any) -> None:
        """Note these places. ValidationException for a row that comes a second time, where each may come ``once``."""
        by_segment: dict[int, list[int]] = defaultdict(list)
        for segment, row in zip(segments.to_pylist(), rows.to_pylist(), strict=True):
            by_segment[segment].append(row)
        for segment, found in by_segment.items():
            marked = self._marked.get(segment)
            if marked is None:
                marked = self._marked[segment] = bytearray(-(-self.state.segments[segment].rows // 8))
            for row in found:
                bit = 1 << (row & 7)
                if marked[row >> 3] & bit:
                    if self.once:
                        raise ValidationException(
                            "A row is matched by several rows of the other tables: what it becomes is not said",
                            suggestion="Nothing was changed. Narrow the condition until one row matches.",
                        )
                    continue
                marked[row >> 3] |= bit
                self.rows += 1

    def vectors(self, work: Work) -> dict[str, DeleteVector]:
        """Each segment's delete vector with these rows, too, by the segment's uid."""
        found: dict[str, DeleteVector] = {}
        for number, marked in self._marked.items():
            row = self.state.segments[number]
            before = self.state.vector(row, work.deks) or DeleteVector.none(row.rows)
            found[row.uid] = before.joined(marked)
        return found


def of_target(statement: Update, column: str) -> exp.Expr:
    """A column of the table that is changed."""
    return exp.column(column, table=statement.alias, quoted=True)


def place_columns(places: Places) -> str:
    """Both columns, for a query around the one of ``find``."""
    return f"{quoted(places.segment)}, {quoted(places.row)}"
