"""All segments of one warehouse, wherever each lies: what ``site.segments`` is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from reconciler.host.store import Store
from reconciler_warehouse.segment_store import inline
from reconciler_warehouse.segment_store.protocol import SegmentHandle, SegmentStore
from reconciler_warehouse.segment_store.ranges import ends
from reconciler_warehouse.segment_store.segment_names import checked


class Segments:
    """See ``SegmentStore``. New ones go to ``bulk``; ``earlier`` is where they went before the config named another
    place: what lies there is read and removed there, until it is written again. Inline ones are written and removed by
    the catalogue's own transactions (``inline``)."""

    def __init__(self, catalogue: Store, bulk: SegmentStore, earlier: SegmentStore | None = None) -> None:
        self._catalogue = catalogue
        self._bulk = bulk
        self._places = (bulk,) if earlier is None else (earlier, bulk)

    def write(self, name: str, chunks: Iterable[memoryview]) -> None:
        """See ``SegmentStore``."""
        self._bulk.write(name, chunks)

    def open(self, name: str) -> SegmentHandle:
        """See ``OpensSegments``."""
        checked(name, self._catalogue.path)
        return self._inline(name) or self._outside(name)

    def is_inline(self, name: str) -> bool:
        """Whether the catalogue holds that segment's bytes."""
        return self._inline(name) is not None

    def remove(self, names: Collection[str]) -> None:
        """See ``SegmentStore``; nothing is asked of ``bulk`` for what is inline."""
        outside = [name for name in names if not self.is_inline(name)]
        for place in self._places if outside else ():
            place.remove(outside)

    def names(self) -> list[str]:
        """See ``SegmentStore``."""
        with self._catalogue.read() as catalogue:
            kept = [] if catalogue is None else inline.names(catalogue)
        return sorted(set(kept).union(*(place.names() for place in self._places)))

    def ends_of(self, names: Collection[str], count: int) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """See ``SegmentStore``."""
        left = dict.fromkeys(names)
        for name in names:
            kept = self._inline(name)
            if kept is not None:
                del left[name]
                yield name, ends(kept, count)
        for place in self._places:
            for name, found in place.ends_of(list(left), count):
                del left[name]
                yield name, found

    def close(self) -> None:
        """See ``SegmentStore``."""
        for place in self._places:
            place.close()

    def _outside(self, name: str) -> SegmentHandle:
        for place in self._places[:-1]:
            with suppress(FileNotFoundError):
                return place.open(name)
        return self._places[-1].open(name)

    def _inline(self, name: str) -> SegmentHandle | None:
        with self._catalogue.read() as catalogue:
            return None if catalogue is None else inline.found(catalogue, name)
