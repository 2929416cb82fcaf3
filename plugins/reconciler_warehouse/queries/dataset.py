"""A cluster's tables as Arrow datasets over files that decrypt while they are read.

Needs pyarrow; imported at the first statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.dataset as pads  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.fs as pafs  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler_warehouse.blocks.key_tables import KeyTable
from reconciler_warehouse.blocks.parquet_segments import zone_values
from reconciler_warehouse.blocks.plaintext import PlaintextFile
from reconciler_warehouse.blocks.segment_files import StoredSegment
from reconciler_warehouse.segment_store.protocol import OpensSegments

BATCH_ROWS: Final = 1 << 16
BATCHES_AHEAD: Final = 2
BYTES_AHEAD: Final = 64 << 20
LEAST_SEGMENTS_AHEAD: Final = 2  # one is decrypted while another is decoded
MOST_SEGMENTS_AHEAD: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """One segment, with its key table opened."""

    name: str
    table: KeyTable
    origin: bytes


class Reading:
    """The files of one statement. ``failure`` is the first error of ours; ``close`` gives every handle back."""

    def __init__(self, store: OpensSegments) -> None:
        self._store = store
        self._segments: dict[str, Readable] = {}
        self._opened: list[PlaintextFile] = []
        self._stored: list[StoredSegment] = []
        self.failure: Exception | None = None
        self.filesystem = pafs.PyFileSystem(_SealedFiles(self))

    @property
    def decoded_blocks(self) -> int:
        """How many blocks were read so far."""
        return sum(one.decoded_blocks for one in self._stored)

    def dataset(self, segments: Mapping[str, Readable]) -> Any:
        """A table's segments, by a name for each, as one dataset. There is at least one."""
        self._segments.update(segments)
        first = next(iter(segments.values()))
        schema = pa.ipc.read_schema(pa.py_buffer(first.table.schema))
        # Not `pre_buffer`: it keeps every row group of a segment until the last is read, and gains nothing here.
        form = pads.ParquetFileFormat(default_fragment_scan_options=pads.ParquetFragmentScanOptions(pre_buffer=False))
        fragments = [
            form.make_fragment(name, self.filesystem, partition_expression=_bounds(schema, one.table.zones))
            for name, one in segments.items()
        ]
        found = _InBoundedMemory(fragments, schema, form, self.filesystem)
        largest = max(1, *(one.table.size for one in segments.values()))
        found.segments_ahead = min(MOST_SEGMENTS_AHEAD, LEAST_SEGMENTS_AHEAD + BYTES_AHEAD // largest)
        return found

    def size(self, name: str) -> int | None:
        """A segment's length, None for a name that is none of ours."""
        found = self._segments.get(name)
        return None if found is None else found.table.size

    def open(self, name: str) -> PlaintextFile:
        """A segment's plaintext."""
        one = self._segments[name]
        stored = StoredSegment(self._store, one.name, one.table, one.origin)
        self._stored.append(stored)
        opened = PlaintextFile(stored, self.note)
        self._opened.append(opened)
        return opened

    def note(self, error: Exception) -> None:
        """Remember the first error of ours (see ``PlaintextFile``)."""
        self.failure = self.failure or error

    def close(self) -> None:
        """Give every handle back."""
        for one in self._opened:
            one.close()


class _InBoundedMemory(pads.FileSystemDataset):  # type: ignore[misc]  # pyarrow ships no types
    """A dataset whose scans read little ahead: Arrow's own default is sixty-four large batches, and costs time as well
    as memory. An engine that takes none for a while finds up to a gibibyte of them waiting, never more."""

    segments_ahead = 1

    def scanner(self, **asked: object) -> Any:
        """What engines ask for their rows."""
        ahead = {"batch_readahead": BATCHES_AHEAD, "fragment_readahead": self.segments_ahead}
        return super().scanner(**{"batch_size": BATCH_ROWS, **ahead, **asked})


class _SealedFiles(pafs.FileSystemHandler):  # type: ignore[misc]  # pyarrow ships no types
    """What Arrow asks of a file system, for a fixed set of files that are only read."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def get_type_name(self) -> str:
        return "sealed"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Iterable[str]) -> list[Any]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: Any) -> list[Any]:
        return []

    def open_input_file(self, path: str) -> Any:
        return pa.PythonFile(self._reading.open(path), mode="r")

    def open_input_stream(self, path: str) -> Any:
        return self.open_input_file(path)

    def _info(self, path: str) -> Any:
        size = self._reading.size(path)
        kind = pafs.FileType.NotFound if size is None else pafs.FileType.File
        return pafs.FileInfo(path, kind, size=-1 if size is None else size)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise PermissionError("sealed segments are only read")

    copy_file = create_dir = delete_dir = delete_dir_contents = delete_file = delete_root_dir_contents = _refuse
    move = open_append_stream = open_output_stream = _refuse


def _bounds(schema: Any, zones: Mapping[str, tuple[Any, Any]]) -> Any:
    """What holds for every row of a segment, so that a filter can leave the whole file out."""
    holds = pads.scalar(True)
    for name, (low, high) in zones.items():
        field = schema.field(name)
        least, most = zone_values(field, low, high)
        column = pads.field(name)
        for bound in (column >= pa.scalar(least, field.type), column <= pa.scalar(most, field.type)):
            holds = holds & (bound | column.is_null())  # one by one: Arrow sees through this form only
    return holds
