"""Readers hold an epoch, and files that left the catalogue since stay until they are through (RE9: reads go on).

Each commit that puts files into the trash raises the epoch and notes it beside them. A reader pins the epoch *before*
it looks at the catalogue: what it finds there was not in the trash of that epoch or an older one. So a file goes when
every epoch that is held is at least the one noted beside it. Whoever sweeps reads the trash first and the pins second:
a pin that comes later belongs to a reader who sees the commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from reconciler.host.pins import oldest_pin, pinned
from reconciler.host.sqlite import translated
from reconciler_warehouse.site import Site

FOLDER = "pins"


@contextmanager
def held(site: Site) -> Iterator[None]:
    """For a reader: from before it looks at the catalogue until it has read the last file. HostError."""
    with site.catalogue.read() as catalogue:
        epoch = None if catalogue is None else epoch_now(catalogue)
    if epoch is None:
        yield
        return
    with ExitStack() as pin, site.catalogue.kept_open():  # small segments are read from it, one by one
        with translated(site.folder / FOLDER, "folder of readers' pins"):
            pin.enter_context(pinned(site.folder / FOLDER, epoch, site.random))
        yield


def epoch_now(catalogue: sqlite3.Connection) -> int:
    """The epoch as of this commit."""
    row = catalogue.execute("SELECT number FROM reading_epoch").fetchone()
    return 0 if row is None else int(row[0])


def next_epoch(catalogue: sqlite3.Connection) -> int:
    """A new epoch, for what this transaction puts into the trash."""
    (number,) = catalogue.execute(
        """INSERT INTO reading_epoch (only_row, number) VALUES (0, 1)
           ON CONFLICT (only_row) DO UPDATE SET number = number + 1 RETURNING number"""
    ).fetchone()
    return int(number)


def unread(site: Site, trash: dict[str, int]) -> list[str]:
    """Of files in the trash, by the epoch noted beside each: those that no living reader can have found. HostError."""
    if not trash:
        return []
    with translated(site.folder / FOLDER, "folder of readers' pins"):
        oldest = oldest_pin(site.folder / FOLDER)
    return [file for file, epoch in trash.items() if oldest is None or epoch <= oldest]
