"""Compaction: small segments of a table are joined, and what delete vectors mark is left out of the new ones.

Which are worth it is for ``joinable`` to say. Small ones that lie in the catalogue leave it that way. What was changed
by a statement meanwhile is left alone: a compaction is never what stands in the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import ReconcilerError
from reconciler_warehouse import manifest
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.keys.mode_changed import ModeChanged
from reconciler_warehouse.loading.new_segments import NewSegment, append, take_out, write_empty, write_rows
from reconciler_warehouse.online import mode
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.locked_engine import answered
from reconciler_warehouse.queries.table_state import Moved, TableState, content_in, look, tables_of
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep import pins
from reconciler_warehouse.upkeep.drafts import drafts, empty_trash
from reconciler_warehouse.writing.edit import Work
from reconciler_warehouse.writing.joinable import AT_ONCE, FEWEST, Due, to_join


def compact(site: Site, one: Due) -> str | None:
    """Join the table's segments that are due; what was done, in a sentence, None when others were quicker."""
    with ExitStack() as stack:
        cluster = mode.for_writing(site, cluster_named(site, one.cluster))
        deks = stack.enter_context(opened(site, cluster.uid, f"Cluster {one.cluster}"))
        stack.enter_context(pins.held(site))
        tables = tables_of(site, cluster)
        if one.table not in tables:
            return None
        work = Work(
            site=site,
            cluster=cluster,
            deks=deks,
            tables=tables,
            reading=stack.enter_context(closing(Reading(site.segments))),
            made=stack.enter_context(drafts(site)),
            shared={},
            opened_too=stack,
        )
        made = join(work, one.table, one.segments)
    empty_trash(site)
    if made is None:
        return None
    return f"Table {one.table} of cluster {one.cluster} was compacted: {len(one.segments)} segments became {made}."


def after(work: Work, table: str) -> None:
    """What a statement that has been committed leaves of small segments is joined when it is time to; larger ones wait
    for ``compact``. Whatever is wrong with that is told by whoever needs those segments next: the statement is done."""
    try:
        with work.site.catalogue.read() as catalogue:
            row = None
            if catalogue is not None:
                row = catalogue.execute("SELECT name FROM data_table WHERE uid = ?", (table,)).fetchone()
            uids = frozenset() if catalogue is None else to_join(catalogue, table, fewest=2 * FEWEST, largest=AT_ONCE)
        if row is not None and uids:
            with closing(Reading(work.site.segments)) as reading, drafts(work.site) as made:
                again = Work(
                    site=work.site,
                    cluster=work.cluster,
                    deks=work.deks,
                    tables={row[0]: table},
                    reading=reading,
                    made=made,
                    shared={},
                    opened_too=work.opened_too,
                )
                join(again, row[0], uids)
    except ReconcilerError:
        return


def join(work: Work, table: str, uids: frozenset[str]) -> int | None:
    """The live rows of these segments in as few as hold them; how many those are. None when a statement, another
    compaction or a change of keys was quicker: then nothing is changed."""
    try:
        whole = look(work.site, work.cluster, {table: work.uid_of(table)}, work.deks)[table]
        state = _part(whole, uids)
        if not state.segments:
            return None
        schema = state.schema(work.deks)
        to = work.destination(state.uid)

        def joined() -> list[NewSegment]:
            return write_rows(to, schema, _rows(state.dataset(work.reading, work.deks)))

        added = answered(work.reading, joined)
        if not added and len(state.segments) == len(whole.segments):
            added = [write_empty(to, schema)]
        with work.site.catalogue.write() as catalogue:
            mode.require(catalogue, work.cluster.uid, work.cluster.dek)
            if not state.content <= content_in(catalogue, state.uid):
                raise Moved("others were quicker")
            if len(added) >= len(state.segments) and not state.vectors:
                return None
            with manifest.changing(catalogue, work.cluster.uid, work.deks) as change:
                take_out(catalogue, change, state.uid, {one.uid for one in state.segments})
                append(catalogue, change, state.uid, added)
                work.made.commit(catalogue)
        work.made.done()
    except (Moved, ModeChanged):
        return None
    return len(added)


def _part(state: TableState, uids: frozenset[str]) -> TableState:
    """The table as if it had these segments only."""
    return TableState(
        name=state.name,
        uid=state.uid,
        origin=state.origin,
        segments=tuple(one for one in state.segments if one.uid in uids),
        vectors={uid: row for uid, row in state.vectors.items() if uid in uids},
    )


def _rows(dataset: Any) -> Iterator[Any]:
    """The rows in order, as Arrow tables, in bounded memory."""
    for batch in dataset.scanner(batch_readahead=2, fragment_readahead=1).to_batches():
        yield pa.Table.from_batches([batch])
