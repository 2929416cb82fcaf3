"""All segments of one warehouse, wherever each lies: what ``site.segments`` is."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler.host.store import Store
from reconciler_warehouse.segment_store import inline
from reconciler_warehouse.segment_store.protocol import SegmentHandle, SegmentStore
from reconciler_warehouse.segment_store.segment_names import checked


class Segments:
    """See ``SegmentStore``. Reads go to the catalogue for what is inline there and to ``bulk`` else. Writes and
    removals are those of ``bulk``: inline ones are the catalogue's own (``inline``)."""

    def __init__(self, catalogue: Store, bulk: SegmentStore) -> None:
        self._catalogue = catalogue
        self._bulk = bulk

    def write(self, name: str, chunks: Iterable[memoryview]) -> None:
        """See ``SegmentStore``."""
        self._bulk.write(name, chunks)

    def open(self, name: str) -> SegmentHandle:
        """See ``OpensSegments``."""
        checked(name, self._catalogue.path)
        return self._inline(name) or self._bulk.open(name)

    def is_inline(self, name: str) -> bool:
        """Whether the catalogue holds that segment's bytes."""
        return self._inline(name) is not None

    def remove(self, names: Collection[str]) -> None:
        """See ``SegmentStore``; nothing is asked of ``bulk`` for what is inline."""
        outside = [name for name in names if not self.is_inline(name)]
        if outside:
            self._bulk.remove(outside)

    def names(self) -> list[str]:
        """See ``SegmentStore``."""
        with self._catalogue.read() as catalogue:
            kept = [] if catalogue is None else inline.names(catalogue)
        return sorted(set(kept).union(self._bulk.names()))

    def ends(self, name: str, count: int) -> tuple[bytes, bytes]:
        """See ``SegmentStore``."""
        kept = self._inline(name)
        if kept is None:
            return self._bulk.ends(name, count)
        whole = memoryview(bytearray(kept.size()))
        kept.read_into(whole, 0)
        return bytes(whole[:count]), bytes(whole[-count:])

    def close(self) -> None:
        """See ``SegmentStore``."""
        self._bulk.close()

    def _inline(self, name: str) -> SegmentHandle | None:
        with self._catalogue.read() as catalogue:
            return None if catalogue is None else inline.found(catalogue, name)
