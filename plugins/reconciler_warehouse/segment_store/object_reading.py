"""A segment on an object store, being read: by ranges of its parts, a little ahead when it is read from end to end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

AHEAD_BYTES: Final = 4 << 20

GetRange = Callable[[str, int, int], memoryview]


class StoredParts:
    """See ``SegmentHandle``. Memory: at most AHEAD_BYTES beside what is asked for."""

    def __init__(self, get: GetRange, name: str, sizes: Sequence[int], part_bytes: int) -> None:
        self._get = get
        self._name = name
        self._part_bytes = part_bytes
        self._size = _whole(sizes, part_bytes)
        self._lock = threading.Lock()
        self._next = -1
        self._kept_at = 0
        self._kept = memoryview(b"")

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See ``SegmentHandle``."""
        want = max(0, min(len(buffer), self._size - offset))
        done = 0
        while done < want:
            found = self._found(offset + done, want - done)
            buffer[done : done + len(found)] = found
            done += len(found)
        return done

    def size(self) -> int:
        """See ``SegmentHandle``."""
        return self._size

    def close(self) -> None:
        """See ``SegmentHandle``."""
        with self._lock:
            self._kept = memoryview(b"")

    def _found(self, offset: int, count: int) -> memoryview:
        """At least one byte from ``offset`` on, at most ``count``, of one part."""
        number, start = divmod(offset, self._part_bytes)
        in_part = min(self._part_bytes, self._size - number * self._part_bytes) - start
        count = min(count, in_part)
        with self._lock:
            inside = offset - self._kept_at
            is_on_and_on, self._next = self._next == offset, offset + count
            if 0 <= inside < len(self._kept):
                return self._kept[inside : inside + count]
        length = min(in_part, max(count, AHEAD_BYTES if is_on_and_on else 0))
        found = self._get(f"{self._name}/{number:05d}", start, length)
        if not found:
            raise FileNotFoundError(2, "no such segment", self._name)
        if len(found) > count:
            with self._lock:
                self._kept_at, self._kept = offset, found
        return found[:count]


def _whole(sizes: Sequence[int], part_bytes: int) -> int:
    """Bytes that can be read: a part that is shorter than it should be is the last."""
    whole = 0
    for size in sizes:
        whole += size
        if size != part_bytes:
            break
    return whole
