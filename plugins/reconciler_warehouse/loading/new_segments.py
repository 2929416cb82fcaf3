"""Rows that become segments of a table: written first, and made part of the table by the commit that names them.

Small ones are kept in the catalogue (``segment_store.inline``): what a short statement brings costs no file.

Needs pyarrow.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler_warehouse import manifest
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.key_tables import SegmentId, seal_table
from reconciler_warehouse.blocks.parquet_segments import SegmentWriter
from reconciler_warehouse.blocks.raw_samples import require_ciphertext
from reconciler_warehouse.blocks.row_groups import grouped
from reconciler_warehouse.keys.hierarchy import OpenDeks, key_named
from reconciler_warehouse.loading.tabular import ROW_GROUP_BYTES, ROW_GROUP_ROWS
from reconciler_warehouse.rows import add_key_table
from reconciler_warehouse.segment_store.inline import INLINE_BYTES
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import Drafts, let_go_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSegment:
    """A segment that is written, under ``dek``, and not in the catalogue yet."""

    identity: SegmentId
    file: str
    rows: int
    size: int
    dek: str | None
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where rows go: a table of a cluster (uids), the key of new rows (None: they are plain), and what will be
    committed or removed with them."""

    site: Site
    cluster: str
    table: str
    dek: str | None
    deks: OpenDeks
    made: Drafts


def write_segment(to: Destination, schema: Any, tables: Iterable[Any], *, in_memory: bool = False) -> NewSegment:
    """A segment of these Arrow tables, each a row group, as many as it takes. ``in_memory``: they are few; a segment
    that is small then is kept in the catalogue."""
    identity = SegmentId(origin=to.cluster, table=to.table, segment=to.site.uid())
    file = f"{identity.segment}.1"
    writer = SegmentWriter(schema, identity.blocks(), to.site.random, sealed=to.dek is not None)
    chunks: Iterable[memoryview] = writer.chunks(tables)
    if in_memory:
        chunks = [memoryview(bytes(chunk)) for chunk in chunks]
    in_clear_for = to.cluster if to.dek is None else None
    to.made.write(file, chunks, inline=in_memory and writer.size <= INLINE_BYTES, in_clear_for=in_clear_for)
    key_table = writer.key_table()
    require_ciphertext(to.made, file, key_table, identity.blocks())
    body = key_table.encode()
    if to.dek is not None:
        body = seal_table(key_table, identity, 1, dek=to.dek, key=key_named(to.deks, to.dek), random=to.site.random)
    return NewSegment(identity=identity, file=file, rows=writer.rows, size=writer.size, dek=to.dek, body=body)


def write_rows(to: Destination, schema: Any, tables: Iterable[Any]) -> list[NewSegment]:
    """These rows, however many, in as few segments as hold them; none for no row."""
    groups = row_groups(tables, schema)
    first = next(groups, None)
    if first is None:
        return []
    second = next(groups, None)
    if second is None:
        return [write_segment(to, schema, [first], in_memory=first.nbytes <= ROW_GROUP_BYTES >> 4)]
    remaining = itertools.chain([first, second], groups)
    return [write_segment(to, schema, itertools.chain([group], remaining)) for group in remaining]


def write_empty(to: Destination, schema: Any) -> NewSegment:
    """A segment without rows, which keeps the columns of a table that has none."""
    return write_segment(to, schema, [], in_memory=True)


def row_groups(tables: Iterable[Any], schema: Any) -> Iterator[Any]:
    """The same rows in tables of about a row group each; empty ones are left out."""
    for group in grouped(tables, rows=ROW_GROUP_ROWS, size=ROW_GROUP_BYTES):
        yield pa.concat_tables(group).cast(schema).combine_chunks()


def append(catalogue: sqlite3.Connection, change: manifest.Change, table: str, segments: Sequence[NewSegment]) -> None:
    """Make the segments part of the table, after all others."""
    (ordinal,) = catalogue.execute(
        "SELECT coalesce(max(ordinal), -1) + 1 FROM segment WHERE data_table = ?", (table,)
    ).fetchone()
    change.touch(table, range(ordinal, ordinal + len(segments)))
    for number, one in enumerate(segments, ordinal):
        key_table = add_key_table(catalogue, one.identity.segment, 1, one.dek, one.body)
        catalogue.execute(
            """INSERT INTO segment (uid, data_table, ordinal, file, key_table, rows, bytes, next_generation)
               VALUES (?,?,?,?,?,?,?,2)""",
            (one.identity.segment, table, number, one.file, key_table, one.rows, one.size),
        )


def take_out(
    catalogue: sqlite3.Connection, change: manifest.Change, table: str, uids: Collection[str] | None = None
) -> None:
    """Segments of a table, or all of them, leave it; what nothing else refers to goes with them."""
    rows = [
        row
        for row in catalogue.execute(
            "SELECT uid, ordinal, file, key_table, delete_vector FROM segment WHERE data_table = ?", (table,)
        )
        if uids is None or row[0] in uids
    ]
    change.touch(table, [row[1] for row in rows])
    catalogue.executemany("DELETE FROM segment WHERE uid = ?", [(row[0],) for row in rows])
    let_go_of(catalogue, [row[2] for row in rows], [row[3] for row in rows])
    delete_vectors.let_go(catalogue, [row[4] for row in rows if row[4] is not None])
