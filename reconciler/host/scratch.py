"""Scratch space for bulk data: whole pages, used again, in no core dump.

Touching fresh pages costs more than encrypting them (DATAPLANE 1f), and the system copies faster to the beginning of a
page than to the middle of one. What was in them may be plaintext, so the system leaves them out of core dumps.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

Scratch = mmap.mmap
_SPARE: Final = 64


class Buffers:
    """A pool of buffers of one size, for several threads. As many as are asked for; some are kept for the next."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[Scratch] = []
        self._lock = threading.Lock()

    def take(self) -> Scratch:
        """A buffer of the pool's size, with whatever was in it."""
        with self._lock:
            if self._free:
                return self._free.pop()
        made = mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        made.madvise(mmap.MADV_DONTDUMP)
        return made

    def give(self, buffer: Scratch) -> None:
        """Back into the pool."""
        with self._lock:
            if len(self._free) < _SPARE:
                self._free.append(buffer)

    @contextmanager
    def borrowed(self) -> Iterator[memoryview]:
        """One buffer for the time of the block."""
        buffer = self.take()
        try:
            yield memoryview(buffer)
        finally:
            self.give(buffer)
