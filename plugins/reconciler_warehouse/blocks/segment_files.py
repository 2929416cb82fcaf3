"""Segments as they are stored: block by block, written once, read at random, moved between plain and sealed (I4).

Only blocks and key tables here; what the bytes mean (Parquet) is for ``parquet`` and ``dataset``.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from typing import Final

from reconciler.envelope.blocks import TAG_BYTES, check_block, hash_block, open_block, seal_block
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler.host.scratch import Buffers
from reconciler.model.ports import Random
from reconciler_warehouse.blocks.key_tables import BLOCK_BYTES, KeyTable
from reconciler_warehouse.segment_store.protocol import OpensSegments, SegmentHandle

_RESTORE: Final = "Restore the file from a backup, or the cluster from a snapshot."


BUFFERS: Final = Buffers(BLOCK_BYTES + TAG_BYTES)


class BlockEncoder:
    """Turns plain blocks, in order, into what is stored, and collects their entries."""

    def __init__(self, origin: bytes, random: Random, *, sealed: bool) -> None:
        self._origin = origin
        self._random = random
        self._sealed = sealed
        self._entries: list[bytes] = []

    def encode(self, plain: memoryview, room: memoryview) -> memoryview:
        """What to store for this block: ``plain`` itself, or ciphertext in ``room`` (16 bytes longer)."""
        index = len(self._entries)
        if not self._sealed:
            self._entries.append(hash_block(plain, self._origin, index))
            return plain
        out = room[: len(plain) + TAG_BYTES]
        self._entries.append(seal_block(plain, out, self._origin, index, self._random))
        return out[: len(plain)]

    @property
    def entries(self) -> bytes:
        """The entries of all blocks so far."""
        return b"".join(self._entries)


class StoredSegment:
    """A segment, read one block of plaintext at a time; safe for several threads. Opened by the first read:
    FileNotFoundError then is a reason to look at the catalogue again, not damage yet."""

    def __init__(self, segments: OpensSegments, name: str, table: KeyTable, origin: bytes) -> None:
        self._segments = segments
        self.name = name
        self._origin = origin
        self._handle: SegmentHandle | None = None
        self._lock = threading.Lock()
        self.table = table
        self.decoded_blocks = 0

    def length(self, index: int) -> int:
        """Bytes in block ``index``."""
        return min(self.table.block_bytes, self.table.size - index * self.table.block_bytes)

    def block_into(self, index: int, out: memoryview) -> None:
        """Fill ``out`` (exactly the block's length) with the block's plaintext. DamagedStore."""
        try:
            if self.table.sealed:
                with BUFFERS.borrowed() as scratch:
                    sealed = scratch[: len(out) + TAG_BYTES]
                    self._read(sealed[: len(out)], index)
                    open_block(sealed, out, self.table.entry(index), self._origin, index)
            else:
                self._read(out, index)
                check_block(out, self.table.entry(index), self._origin, index)
        except InvalidCiphertextException as error:
            raise DamagedStore(
                f"Segment file {self.name}: {error.summary}. It was changed after it was written",
                suggestion="Nothing of it was used. Restore the file from a backup, or the cluster from a snapshot.",
            ) from None
        self.decoded_blocks += 1

    def check(self) -> None:
        """Read every block: DamagedStore unless all of them are what was written and nothing follows them."""
        with BUFFERS.borrowed() as out:
            for index in range(self.table.blocks):
                self.block_into(index, out[: self.length(index)])
        if self.stored_size() != self.table.size:
            raise DamagedStore(f"Segment file {self.name} is longer than what was written")

    def stored_size(self) -> int:
        """Bytes that lie there, which should be ``table.size``."""
        return self._opened().size()

    def close(self) -> None:
        """Give the handle back."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None

    def raw_into(self, index: int, out: memoryview) -> None:
        """Fill ``out`` (exactly the block's length) with the block as it is stored. DamagedStore."""
        self._read(out, index)

    def _opened(self) -> SegmentHandle:
        with self._lock:
            if self._handle is None:
                self._handle = self._segments.open(self.name)
            return self._handle

    def _read(self, buffer: memoryview, index: int) -> None:
        if self._opened().read_into(buffer, index * self.table.block_bytes) != len(buffer):
            raise DamagedStore(
                f"Segment file {self.name} is cut short at block {index}",
                suggestion=_RESTORE,
            )


def stored_bytes(segments: OpensSegments, name: str, size: int) -> Generator[memoryview, None, None]:
    """A segment's bytes as they are stored, block by block, for copying; whoever asks closes it. DamagedStore,
    HostError."""
    try:
        handle = segments.open(name)
    except FileNotFoundError:
        raise _gone(name) from None
    try:
        with BUFFERS.borrowed() as buffer:
            for offset in range(0, size, BLOCK_BYTES):
                want = buffer[: min(BLOCK_BYTES, size - offset)]
                try:
                    count = handle.read_into(want, offset)
                except FileNotFoundError:
                    raise _gone(name) from None
                if count != len(want):
                    raise DamagedStore(f"Segment file {name} is cut short", suggestion=_RESTORE)
                yield want
    finally:
        handle.close()


def transformed(segment: StoredSegment, encoder: BlockEncoder) -> Iterator[memoryview]:
    """Every block of a segment in its new form: plain → sealed, sealed → plain, sealed → sealed under new keys.
    DamagedStore, HostError: in words of the segment that is read, not of the one that its blocks are written to."""
    with BUFFERS.borrowed() as plain, BUFFERS.borrowed() as room:
        for index in range(segment.table.blocks):
            block = plain[: segment.length(index)]
            try:
                segment.block_into(index, block)
            except FileNotFoundError:
                raise _gone(segment.name) from None
            yield encoder.encode(block, room)


def _gone(name: str) -> DamagedStore:
    return DamagedStore(f"Segment file {name} is gone", suggestion=_RESTORE)
