"""What a place for segments promises, whatever it is made of.

A name is ``<uid>.<generation>`` and is given out once: nothing is ever written under a name that was used (I4). What
the bytes are (blocks of Parquet, sealed or not) is nobody's business here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol


class SegmentHandle(Protocol):
    """One segment's bytes as they are stored, being read; safe for several threads."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill ``buffer`` from byte ``offset``; the count read, smaller only at the end. FileNotFoundError when it went
        meanwhile, as far as the place notices; HostError."""

    def size(self) -> int:
        """Length in bytes. FileNotFoundError, HostError."""

    def close(self) -> None:
        """Give the handle back; no error when that was done before."""


class OpensSegments(Protocol):
    """What reading needs."""

    def open(self, name: str) -> SegmentHandle:
        """A segment for reading. FileNotFoundError when it is gone, which is a reason to look at the catalogue again
        and no damage yet; DamagedStore for a name that was never given out; HostError."""


class SegmentStore(OpensSegments, Protocol):
    """A place for the bytes of segments."""

    def write(self, name: str, chunks: Iterable[memoryview]) -> None:
        """A new segment, its bytes and its name durable before this returns. Each chunk is used before the next is
        asked for. HostError, also when the name is taken: what has it stays as it is. After an error nothing is left
        under the name, unless the place refuses even its removal."""

    def remove(self, names: Collection[str]) -> None:
        """Remove segments that nothing refers to, durably, so that their rows may go: a power loss must not bring back
        one that nobody looks for any more, for it may be plaintext (I18). No error for one that is gone. HostError."""

    def names(self) -> list[str]:
        """What lies there, sorted, strangers' files too. HostError."""

    def ends_of(self, names: Collection[str], count: int) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """The first and the last ``count`` bytes (at most) of each of ``names``, in any order; those that are gone are
        left out. HostError."""

    def close(self) -> None:
        """Give connections back."""
