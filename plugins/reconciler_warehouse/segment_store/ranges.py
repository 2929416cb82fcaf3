"""Parts of a segment that is open."""

from __future__ import annotations

from reconciler_warehouse.segment_store.protocol import SegmentHandle


def ends(opened: SegmentHandle, count: int) -> tuple[bytes, bytes]:
    """Its first and its last ``count`` bytes, or as many as there are."""
    buffer = memoryview(bytearray(count))
    first = bytes(buffer[: opened.read_into(buffer, 0)])
    return first, bytes(buffer[: opened.read_into(buffer, max(0, opened.size() - count))])
