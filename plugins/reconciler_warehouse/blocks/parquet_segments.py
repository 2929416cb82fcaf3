"""Segments written: Arrow tables in, Parquet inside, blocks sealed on the way to the disk, a key table out.

Needs pyarrow; imported at the first load.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, Final, cast

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.host.scratch import Scratch
from reconciler.model.ports import Random
from reconciler_warehouse.blocks.key_tables import BLOCK_BYTES, KeyTable
from reconciler_warehouse.blocks.segment_files import BUFFERS, BlockEncoder

SEGMENT_BYTES: Final = 256 << 20
COMPRESSION: Final = "lz4"
LONGEST_ZONE: Final = 64  # a longer text makes no useful bound


class SegmentWriter:
    """One segment being written: ``chunks`` goes to the disk, then ``key_table`` says how it opens."""

    def __init__(self, schema: Any, origin: bytes, random: Random, *, sealed: bool) -> None:
        self._schema = schema
        self._sealed = sealed
        self._encoder = BlockEncoder(origin, random, sealed=sealed)
        self._zones: dict[str, tuple[Any, Any]] = {}
        self.rows = 0
        self.size = 0

    def chunks(self, tables: Iterable[Any]) -> Iterator[memoryview]:
        """The file as it is stored. Takes ``tables``, each a row group, until they end or the segment is full."""
        sink = _Sink()
        collected: list[Any] = []
        with pq.ParquetWriter(sink, self._schema, compression=COMPRESSION, metadata_collector=collected) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=max(1, table.num_rows))
                self.rows += table.num_rows
                yield from self._stored(sink)
                if sink.tell() >= SEGMENT_BYTES:
                    break
        sink.end()
        yield from self._stored(sink)
        self.size = sink.tell()
        self._zones = _zones(collected[0], self._schema)

    def key_table(self) -> KeyTable:
        """How the written segment opens."""
        return KeyTable(
            sealed=self._sealed,
            size=self.size,
            block_bytes=BLOCK_BYTES,
            rows=self.rows,
            schema=self._schema.serialize().to_pybytes(),
            zones=self._zones,
            entries=self._encoder.entries,
        )

    def _stored(self, sink: _Sink) -> Iterator[memoryview]:
        with BUFFERS.borrowed() as room:
            for block, length in sink.filled():
                yield self._encoder.encode(memoryview(block)[:length], room)
                BUFFERS.give(block)


class _Sink(io.RawIOBase):
    """Where the Parquet writer writes: cuts the stream into blocks and keeps the full ones until they are stored."""

    def __init__(self) -> None:
        super().__init__()
        self._full: deque[tuple[Scratch, int]] = deque()
        self._block = BUFFERS.take()
        self._fill = 0
        self._position = 0

    def writable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes so far."""
        return self._position

    def write(self, data: object) -> int:
        """Append."""
        view = memoryview(cast(bytes, data)).cast("B")
        done = 0
        while done < len(view):
            count = min(len(view) - done, BLOCK_BYTES - self._fill)
            memoryview(self._block)[self._fill : self._fill + count] = view[done : done + count]  # no copy in between
            self._fill += count
            done += count
            if self._fill == BLOCK_BYTES:
                self._full.append((self._block, BLOCK_BYTES))
                self._block = BUFFERS.take()
                self._fill = 0
        self._position += done
        return done

    def end(self) -> None:
        """The last block is as long as it is."""
        if self._fill:
            self._full.append((self._block, self._fill))
            self._fill = 0
        else:
            BUFFERS.give(self._block)

    def filled(self) -> Iterator[tuple[Scratch, int]]:
        """Blocks that are complete, each once."""
        while self._full:
            yield self._full.popleft()


def _zones(metadata: Any, schema: Any) -> dict[str, tuple[Any, Any]]:
    """Least and greatest value of each column that has comparable ones. Floats have none: NaN obeys no bound."""
    zones: dict[str, tuple[Any, Any]] = {}
    for index, field in enumerate(schema):
        if not _is_bounded(field.type) or metadata.num_columns != len(schema):
            continue
        groups = [metadata.row_group(number).column(index).statistics for number in range(metadata.num_row_groups)]
        known = [one for one in groups if one is not None and one.has_min_max]
        if len(known) == len(groups) and known:
            low, high = min(one.min for one in known), max(one.max for one in known)
            if len(str(low)) <= LONGEST_ZONE and len(str(high)) <= LONGEST_ZONE:
                zones[field.name] = (_as_json(low), _as_json(high))
    return zones


def zone_values(field: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """A zone's bounds as values of the column's type."""
    if pa.types.is_timestamp(field.type):
        return datetime.fromisoformat(low), datetime.fromisoformat(high)
    if pa.types.is_date(field.type):
        return date.fromisoformat(low), date.fromisoformat(high)
    return low, high


def _is_bounded(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_date(kind) or types.is_timestamp(kind))


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
