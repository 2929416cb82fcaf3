"""What a scan holds in memory and reads ahead, whatever the table's size."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest

from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler_warehouse.dataset import Readable, Reading
from reconciler_warehouse.key_tables import SegmentId
from reconciler_warehouse.parquet_segments import SegmentWriter
from reconciler_warehouse.segment_store.local_files import LocalFiles

GROUPS, ROWS = 20, 1 << 17  # a row group fills one block of the one column


@pytest.fixture
def store(tmp_path: Path) -> LocalFiles:
    return LocalFiles(OsFs(), tmp_path / "data", tmp_path / "catalogue.db")


def written(store: LocalFiles, groups: int, uid: int = 1) -> Readable:
    """A sealed segment of so many row groups of random numbers."""
    identity = SegmentId(origin="0" * 32, table="1" * 32, segment=f"{uid:032x}")
    schema = pa.schema([("noise", pa.int64())])
    writer = SegmentWriter(schema, identity.blocks(), SystemRandom(), sealed=True)
    noise = (pa.py_buffer(SystemRandom().bytes(8 * ROWS)) for _ in range(groups))
    arrays = (pa.Array.from_buffers(pa.int64(), ROWS, [None, one]) for one in noise)
    store.write(f"{identity.segment}.1", writer.chunks(pa.table([one], schema) for one in arrays))
    return Readable(name=f"{identity.segment}.1", table=writer.key_table(), origin=identity.blocks())


def test_a_scan_gives_every_row_and_opens_hardly_any_block_twice(store: LocalFiles) -> None:
    with closing(Reading(store)) as reading:
        segment = written(store, GROUPS)
        rows = reading.dataset({"a": segment}).scanner().to_reader()
        assert sum(batch.num_rows for batch in rows) == GROUPS * ROWS
        # A column's chunk begins and ends within a block, which is kept for its neighbour: at most the first is not.
        assert segment.table.blocks <= reading.decoded_blocks <= 2 * segment.table.blocks
        assert reading.failure is None


def test_of_small_segments_several_are_read_ahead_and_of_large_ones_none(store: LocalFiles) -> None:
    small = written(store, 1)
    large = replace(small, table=replace(small.table, size=256 << 20))
    with closing(Reading(store)) as reading:
        assert reading.dataset({"small": small}).segments_ahead > 1
        assert reading.dataset({"small": small, "large": large}).segments_ahead == 1
