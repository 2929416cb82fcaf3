"""A sealed segment as a seekable file of plaintext: what Arrow reads, block by block, in memory only.

Decrypts a block when it is first asked for and keeps the last few; a projection that skips a column's chunks never
touches their blocks. Needs pyarrow; imported at the first statement.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, cast

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.errors import ReconcilerError
from reconciler.host.scratch import Scratch
from reconciler_warehouse.blocks.segment_files import BUFFERS, StoredSegment

KEPT_BLOCKS: Final = 8


class PlaintextFile(io.RawIOBase):
    """Read-only. The position is per thread: engines seek and then read one shared handle from many threads.

    Nothing is raised while reading: an exception of Python's inside an engine's thread can hang the engine for good.
    ``failed`` is told of the error instead and the read comes back short, which every engine refuses by itself; whoever
    runs the engine asks for the error and never uses an answer when there is one.
    """

    def __init__(self, segment: StoredSegment, failed: Callable[[Exception], None]) -> None:
        super().__init__()
        self._segment = segment
        self._failed = failed
        self._size = segment.table.size
        self._block_bytes = segment.table.block_bytes
        self._thread = threading.local()
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Scratch] = OrderedDict()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """This thread's position."""
        return int(getattr(self._thread, "position", 0))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move this thread's position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        self._thread.position = max(0, start + offset)
        return self.tell()

    def readinto(self, buffer: object) -> int:
        """Fill ``buffer`` from this thread's position on."""
        out = memoryview(cast(bytearray, buffer)).cast("B")
        start = self.tell()
        want = max(0, min(len(out), self._size - start))
        done = 0
        try:
            while done < want:
                index, offset = divmod(start + done, self._block_bytes)
                count = min(want - done, self._segment.length(index) - offset)
                self._copy(index, offset, out[done : done + count])
                done += count
        except (ReconcilerError, OSError) as error:
            self._failed(error)
            done = 0
        self._thread.position = start + done
        return done

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` bytes from this thread's position on, in a buffer of Arrow's: its pool has pages that were
        touched before, and fresh ones cost more than the cipher (DATAPLANE 1f)."""
        left = max(0, self._size - self.tell())
        out = pa.allocate_buffer(left if size is None or size < 0 else min(size, left))
        count = self.readinto(out)
        return cast(bytes, out if count == out.size else out.slice(0, count))  # any buffer will do for Arrow

    def close(self) -> None:
        """Give buffers and handle back."""
        if not self.closed:
            with self._lock:
                for block in self._kept.values():
                    BUFFERS.give(block)
                self._kept.clear()
            self._segment.close()
        super().close()

    def _copy(self, index: int, offset: int, out: memoryview) -> None:
        length = self._segment.length(index)
        with self._lock:
            kept = self._kept.get(index)
            if kept is not None:
                self._kept.move_to_end(index)
                out[:] = memoryview(kept)[offset : offset + len(out)]
                return
        if len(out) == length:
            self._segment.block_into(index, out)
            return
        block = BUFFERS.take()
        plain = memoryview(block)[:length]
        self._segment.block_into(index, plain)
        with self._lock:  # copies run under the lock, so a block that leaves can be used again at once
            out[:] = plain[offset : offset + len(out)]
            before = self._kept.pop(index, None)
            self._kept[index] = block
            if before is None and len(self._kept) > KEPT_BLOCKS:
                _, before = self._kept.popitem(last=False)
        if before is not None:
            BUFFERS.give(before)
