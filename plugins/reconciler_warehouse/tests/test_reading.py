"""What a scan holds in memory and reads ahead, whatever the table's size."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.dataset as pads  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import DamagedStore
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler_warehouse.blocks.key_tables import KeyTable, SegmentId
from reconciler_warehouse.blocks.parquet_segments import SegmentWriter
from reconciler_warehouse.blocks.plaintext import PlaintextFile
from reconciler_warehouse.blocks.segment_files import BlockEncoder, StoredSegment
from reconciler_warehouse.queries.dataset import LEAST_SEGMENTS_AHEAD, Readable, Reading
from reconciler_warehouse.segment_store.local_files import LocalFiles

GROUPS, ROWS = 20, 1 << 17  # a row group fills one block of the one column


@pytest.fixture
def store(tmp_path: Path) -> LocalFiles:
    return LocalFiles(OsFs(), tmp_path / "data", tmp_path / "catalogue.db")


def segment(store: LocalFiles, schema: Any, row_groups: Iterable[Any]) -> Readable:
    """A sealed segment."""
    identity = SegmentId(origin="0" * 32, table="1" * 32, segment="2" * 32)
    writer = SegmentWriter(schema, identity.blocks(), SystemRandom(), sealed=True)
    store.write(f"{identity.segment}.1", writer.chunks(row_groups))
    return Readable(name=f"{identity.segment}.1", table=writer.key_table(), origin=identity.blocks())


def written(store: LocalFiles, groups: int) -> Readable:
    """A sealed segment of so many row groups of random numbers."""
    schema = pa.schema([("noise", pa.int64())])
    noise = (pa.py_buffer(SystemRandom().bytes(8 * ROWS)) for _ in range(groups))
    arrays = (pa.Array.from_buffers(pa.int64(), ROWS, [None, one]) for one in noise)
    return segment(store, schema, (pa.table([one], schema) for one in arrays))


def test_a_scan_gives_every_row_and_opens_hardly_any_block_twice(store: LocalFiles) -> None:
    with closing(Reading(store)) as reading:
        made = written(store, GROUPS)
        rows = reading.dataset({"a": made}).scanner().to_reader()
        assert sum(batch.num_rows for batch in rows) == GROUPS * ROWS
        # A column's chunk begins and ends within a block, which is kept for its neighbour: at most the first is not.
        assert made.table.blocks <= reading.decoded_blocks <= 2 * made.table.blocks
        assert reading.failure is None


def test_of_small_segments_many_are_read_ahead_and_of_large_ones_two(store: LocalFiles) -> None:
    small = written(store, 1)
    large = replace(small, table=replace(small.table, size=256 << 20))
    with closing(Reading(store)) as reading:
        assert reading.dataset({"small": small}).segments_ahead > LEAST_SEGMENTS_AHEAD
        assert reading.dataset({"small": small, "large": large}).segments_ahead == LEAST_SEGMENTS_AHEAD


def test_bounds_leave_a_segment_out_only_where_no_row_of_it_can_be_meant(store: LocalFiles) -> None:
    table = pa.table({"number": [1, None, 3], "share": [0.5, float("nan"), None]})
    with closing(Reading(store)) as reading:
        made = segment(store, table.schema, [table])
        rows = reading.dataset({"a": made})
        number, share = pads.field("number"), pads.field("share")
        assert rows.scanner(filter=number.is_null()).count_rows() == 1
        assert rows.scanner(filter=share.is_nan()).count_rows() == 1
        assert rows.scanner(filter=number <= 1).count_rows() == 1
        assert made.table.zones == {"number": (1, 3)}  # NaN obeys no bound
        before = reading.decoded_blocks
        assert rows.scanner(filter=number > 3).count_rows() == 0
        assert reading.decoded_blocks == before


def test_a_segment_that_is_longer_than_what_was_written_is_damage(store: LocalFiles, tmp_path: Path) -> None:
    made = written(store, 1)
    with closing(StoredSegment(store, made.name, made.table, made.origin)) as stored:
        stored.check()
    with (tmp_path / "data" / made.name).open("ab") as file:
        file.write(b"more")
    with (
        closing(StoredSegment(store, made.name, made.table, made.origin)) as stored,
        pytest.raises(DamagedStore, match="longer than what was written"),
    ):
        stored.check()


@pytest.fixture(params=[True, False], ids=["sealed", "plain"])
def small_blocks(store: LocalFiles, request: pytest.FixtureRequest) -> tuple[bytes, StoredSegment]:
    """A segment of eleven blocks, the last one short: the block size is each segment's own."""
    content, size, name = SystemRandom().bytes(10_500), 1000, f"{'3' * 32}.1"
    origin = SegmentId(origin="0" * 32, table="1" * 32, segment="3" * 32).blocks()
    encoder, room = BlockEncoder(origin, SystemRandom(), sealed=request.param), memoryview(bytearray(size + 16))
    blocks = (memoryview(content)[start : start + size] for start in range(0, len(content), size))
    store.write(name, (encoder.encode(block, room) for block in blocks))
    table = KeyTable(
        sealed=request.param,
        size=len(content),
        block_bytes=size,
        rows=0,
        schema=b"",
        zones={},
        entries=encoder.entries,
    )
    return content, StoredSegment(store, name, KeyTable.decode(table.encode()), origin)


def unexpected(error: Exception) -> None:
    raise AssertionError(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.tuples(st.integers(0, 11_000), st.integers(0, 11_000)), max_size=20))
def test_any_part_is_read_as_it_was_written(
    small_blocks: tuple[bytes, StoredSegment], asked: list[tuple[int, int]]
) -> None:
    content, stored = small_blocks
    with PlaintextFile(stored, unexpected) as file:
        for start, count in asked:
            file.seek(start)
            assert bytes(file.read(count)) == content[start : start + count]
            assert file.tell() == min(start + count, max(start, len(content)))


def test_threads_that_share_a_file_read_each_at_its_own_place(small_blocks: tuple[bytes, StoredSegment]) -> None:
    content, stored = small_blocks
    with PlaintextFile(stored, unexpected) as file, ThreadPoolExecutor(8) as threads:

        def part(start: int) -> bool:
            file.seek(start)
            return bytes(file.read(1700)) == content[start : start + 1700]

        assert all(threads.map(part, [number * 37 % 10_500 for number in range(400)]))
