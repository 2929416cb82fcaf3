"""All segments of one warehouse, wherever each lies: what ``site.segments`` is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from reconciler.host.store import Store
from reconciler_warehouse.segment_store import inline
from reconciler_warehouse.segment_store.former_stores import FormerStores
from reconciler_warehouse.segment_store.protocol import SegmentHandle, SegmentStore
from reconciler_warehouse.segment_store.ranges import ends
from reconciler_warehouse.segment_store.segment_names import checked


class Segments:
    """See ``SegmentStore``. New ones go to ``objects`` if there is such a place, and to ``files`` else: what was
    written before the config named an object store is read and removed where it lies, until it is written again. Inline
    ones are written and removed by the catalogue's own transactions (``inline``). ``former`` knows the object stores
    that were written to, so that what lies on one that the config names no longer is not taken for gone."""

    def __init__(
        self,
        catalogue: Store,
        files: SegmentStore,
        objects: SegmentStore | None = None,
        former: FormerStores | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._former = former
        self._places = (files,) if objects is None else (files, objects)

    def write(self, name: str, chunks: Iterable[memoryview]) -> None:
        """See ``SegmentStore``."""
        if self._former is not None:
            self._former.note()
        self._places[-1].write(name, chunks)

    def open(self, name: str) -> SegmentHandle:
        """See ``OpensSegments``. What is cheap is asked first."""
        checked(name, self._catalogue.path)
        files, *objects = self._places
        try:
            return files.open(name)
        except FileNotFoundError:
            kept = self._inline(name)
            if kept is not None:
                return kept
            if objects:
                return objects[0].open(name)
            raise

    def is_inline(self, name: str) -> bool:
        """Whether the catalogue holds that segment's bytes."""
        return bool(self._which_are_inline([name]))

    def remove(self, names: Collection[str]) -> None:
        """See ``SegmentStore``; what is inline is left to the catalogue's own transaction."""
        outside = set(names) - self._which_are_inline(names)
        for place in self._places if outside else ():
            place.remove(outside)

    def others(self) -> dict[str, Path]:
        """See ``FormerStores.others``."""
        return {} if self._former is None else self._former.others()

    def out_of_reach(self, names: Collection[str]) -> set[str]:
        """Of ``names`` those that are nowhere here and may lie on an object store that the config names no longer."""
        if not self.others():
            return set()
        return set(names).difference(self._which_are_inline(names), *(place.names() for place in self._places))

    def names(self) -> list[str]:
        """See ``SegmentStore``."""
        with self._catalogue.read() as catalogue:
            kept = [] if catalogue is None else inline.names(catalogue)
        return sorted(set(kept).union(*(place.names() for place in self._places)))

    def ends_of(self, names: Collection[str], count: int) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """See ``SegmentStore``."""
        left = dict.fromkeys(names)
        for name in self._which_are_inline(names):
            kept = self._inline(name)
            del left[name]
            if kept is not None:
                yield name, ends(kept, count)
        for place in self._places:
            for name, found in place.ends_of(list(left), count):
                del left[name]
                yield name, found

    def close(self) -> None:
        """See ``SegmentStore``."""
        for place in self._places:
            place.close()

    def _which_are_inline(self, names: Collection[str]) -> set[str]:
        with self._catalogue.read() as catalogue:
            return set() if catalogue is None else {name for name in names if inline.holds(catalogue, name)}

    def _inline(self, name: str) -> SegmentHandle | None:
        with self._catalogue.read() as catalogue:
            return None if catalogue is None else inline.found(catalogue, name)
