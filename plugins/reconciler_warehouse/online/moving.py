"""A portion of segments, written again in their new form, and the one commit that swaps them in.

Intent → new file, durable → compare and swap (key table old → new), the old file to the trash. A segment that somebody
else changed meanwhile is left as it is by now, and what was written of it goes. Rows keep their order, so that delete
vectors stay true; they are sealed anew in the same commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from reconciler.errors import DamagedStore
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.key_tables import open_table, seal_table
from reconciler_warehouse.blocks.raw_samples import require_ciphertext
from reconciler_warehouse.blocks.segment_files import BlockEncoder, StoredSegment, transformed
from reconciler_warehouse.keys.hierarchy import OpenDeks, key_named
from reconciler_warehouse.online.leases import Target
from reconciler_warehouse.rows import SegmentRow, add_key_table
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import Drafts, let_go_of

Pace = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A segment in its new form, referred to by nothing yet. ``body`` is its key table's."""

    segment: SegmentRow
    generation: int
    file: str
    body: bytes


def file_of(segment: SegmentRow, generation: int) -> str:
    """What the segment's bytes are called in that generation."""
    return f"{segment.uid}.{generation}"


def move(  # noqa: PLR0917  # what, as what, whereto
    site: Site, target: Target, deks: OpenDeks, segment: SegmentRow, generation: int, made: Drafts, pace: Pace
) -> Moved | None:
    """The segment in its new form, durable unless it is an inline one; None when it is no longer what it was.
    ``pace`` is told of each block's bytes before it is written. DamagedStore, HostError."""
    identity = segment.identity(target.cluster)
    before = open_table(segment.body, identity, segment.generation, dek=segment.dek, key=deks.get(segment.dek or ""))
    file = file_of(segment, generation)
    encoder = BlockEncoder(identity.blocks(), site.random, sealed=target.dek is not None)
    with closing(StoredSegment(site.segments, segment.file, before, identity.blocks())) as stored:
        try:
            blocks = _paced(transformed(stored, encoder), pace)
            if site.segments.is_inline(segment.file):
                made.write(file, blocks, inline=True)
            else:
                made.fill(file, blocks)
        except DamagedStore:
            if _is_as_it_was(site, segment):
                raise
            return None  # changed by somebody else, and its old file swept: no damage
    after = replace(before, sealed=target.dek is not None, entries=encoder.entries)
    require_ciphertext(made, file, after, identity.blocks())
    body = after.encode()
    if target.dek is not None:
        key = key_named(deks, target.dek)
        body = seal_table(after, identity, generation, dek=target.dek, key=key, random=site.random)
    return Moved(segment=segment, generation=generation, file=file, body=body)


def swap(  # noqa: PLR0917  # inside the caller's commit
    catalogue: sqlite3.Connection, site: Site, target: Target, deks: OpenDeks, moved: list[Moved], made: Drafts
) -> list[Moved]:
    """Inside a transaction: those of ``moved`` that still are what they were take their new form. Which these are."""
    swapped = []
    with manifest.changing(catalogue, target.cluster, deks) as change:
        for one in moved:
            row = catalogue.execute(
                "SELECT key_table, data_table, ordinal FROM segment WHERE uid = ?", (one.segment.uid,)
            ).fetchone()
            if row is None or row[0] != one.segment.key_table:
                continue
            change.touch(row[1], [row[2]])
            key_table = add_key_table(catalogue, one.segment.uid, one.generation, target.dek, one.body)
            catalogue.execute(
                "UPDATE segment SET file = ?, key_table = ? WHERE uid = ?", (one.file, key_table, one.segment.uid)
            )
            identity = one.segment.identity(target.cluster)
            delete_vectors.reseal(catalogue, one.segment.uid, identity, dek=target.dek, deks=deks, random=site.random)
            swapped.append(one)
        made.commit(catalogue, [one.file for one in swapped])
        let_go_of(
            catalogue,
            [one.segment.file for one in swapped],
            [one.segment.key_table for one in swapped],
        )
    return swapped


def _paced(blocks: Iterator[memoryview], pace: Pace) -> Iterator[memoryview]:
    for block in blocks:
        pace(len(block))
        yield block


def _is_as_it_was(site: Site, segment: SegmentRow) -> bool:
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None:
            row = catalogue.execute("SELECT key_table FROM segment WHERE uid = ?", (segment.uid,)).fetchone()
    return row is not None and row[0] == segment.key_table
