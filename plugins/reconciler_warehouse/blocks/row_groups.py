"""How much of a table is one row group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def grouped(parts: Iterable[Any], *, rows: int, size: int) -> Iterator[list[Any]]:
    """Arrow's batches or tables in lists of at least so many rows, or so many bytes, whichever comes first; the last
    list is what is left. No list is without rows."""
    group: list[Any] = []
    has_rows = has_size = 0
    for part in parts:
        group.append(part)
        has_rows += part.num_rows
        has_size += part.nbytes
        if has_rows >= rows or has_size >= size:
            yield group
            group, has_rows, has_size = [], 0, 0
    if has_rows:
        yield group
