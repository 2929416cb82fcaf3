"""Files on their way in and on their way out: intent row → file → fsync → commit; out of the catalogue → unlink (I4).

No file is ever written under a name that was used before. What a crash leaves is either committed or named in
``pending``, ``trash`` or ``gone``, and the next change sweeps that.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from reconciler.errors import ConflictException, ReconcilerError
from reconciler.host.process import Process, is_dead
from reconciler_warehouse.escrow_rows import forget_escrow_grant
from reconciler_warehouse.keyring import drop_holder, drop_unheld, staging
from reconciler_warehouse.keys import cluster_keys
from reconciler_warehouse.keys.roots import retire_released
from reconciler_warehouse.online import mode
from reconciler_warehouse.segment_store import inline as inlined
from reconciler_warehouse.segment_store.protocol import SegmentHandle
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import CREATING
from reconciler_warehouse.upkeep import pins, trash

# Files that this process is writing now: a fact of the process, so that a sweep by another thread leaves them alone.
_BEING_WRITTEN: set[tuple[Path, str]] = set()
_PID_BITS: Final = 22  # what Linux gives at most


class Drafts:
    """The new segments of one change."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._names: list[str] = []
        self._inline: dict[str, bytes] = {}
        self._handed_over: set[str] = set()

    def write(
        self, name: str, chunks: Iterable[memoryview], *, inline: bool = False, in_clear_for: str | None = None
    ) -> None:
        """A segment of that name, durable, referred to by nothing yet. With ``inline`` it is kept in memory until
        ``commit``, which makes it a part of the catalogue: for small ones only (``INLINE_BYTES``). ``in_clear_for``:
        the cluster (uid) whose rows it holds in clear; ModeChanged, and nothing is written, when they are to be sealed
        by now."""
        if inline:
            self._inline[name] = b"".join(chunks)
            return
        self.begin(name, in_clear_for=in_clear_for)
        self.fill(name, chunks)

    def open(self, name: str) -> SegmentHandle:
        """See ``OpensSegments``: also what is not in the catalogue yet."""
        if name in self._inline:
            return inlined.InMemory(self._inline[name])
        return self._site.segments.open(name)

    def begin(self, name: str, *, in_clear_for: str | None = None) -> None:
        """Note that a file of that name will be written: durable before the file exists. ModeChanged as above."""
        with self._site.catalogue.write() as catalogue:
            if in_clear_for is not None:
                mode.require(catalogue, in_clear_for, None)
            self.note(catalogue, [name], in_clear_for=in_clear_for)

    def note(self, catalogue: sqlite3.Connection, names: Iterable[str], *, in_clear_for: str | None = None) -> None:
        """The same for files of these names, inside a transaction: they are to be filled when that is durable."""
        for name in names:
            _BEING_WRITTEN.add((self._site.folder, name))
            self._names.append(name)
            catalogue.execute(
                "INSERT OR REPLACE INTO pending (file, process, in_clear_for) VALUES (?,?,?)",
                (name, _me(), in_clear_for),
            )

    def fill(self, name: str, chunks: Iterable[memoryview]) -> None:
        """Write a file that ``begin`` or ``note`` named."""
        self._site.segments.write(name, chunks)

    def commit(self, catalogue: sqlite3.Connection, names: Collection[str] | None = None) -> None:
        """Hand the segments (those of ``names``, if that is given; the others are discarded) over to the transaction
        that refers to them. ConflictException if they were swept."""
        self._handed_over = {*self._names, *self._inline} if names is None else set(names)
        for name in self._handed_over & self._inline.keys():
            inlined.put(catalogue, name, self._inline[name])
        for name in self._handed_over - self._inline.keys():
            if catalogue.execute("DELETE FROM pending WHERE file = ?", (name,)).rowcount != 1:
                raise ConflictException(
                    "Another process swept a file that was being written; nothing of this call was committed",
                    suggestion="Run the command again.",
                )

    def done(self) -> None:
        """The transaction is durable: nothing that was handed over to it is to be cleaned up."""
        self._release(self._handed_over)
        self._names = [name for name in self._names if name not in self._handed_over]
        self._inline = {}

    def discard(self) -> None:
        """Remove what was not committed, as far as the disk lets us; a sweep removes the rest.

        Asks the catalogue, not memory: an error may come after a commit that is durable. An overtaken process is
        refused there (I13).
        """
        self._release(self._names)
        self._inline = {}
        with contextlib.suppress(OSError, ReconcilerError):
            for name in self._names:
                if self._is_pending(name):
                    self._site.segments.remove([name])
                    with self._site.catalogue.write() as catalogue:
                        catalogue.execute("DELETE FROM pending WHERE file = ?", (name,))

    def _is_pending(self, name: str) -> bool:
        with self._site.catalogue.write() as catalogue:
            return bool(catalogue.execute("SELECT 1 FROM pending WHERE file = ?", (name,)).fetchone())

    def _release(self, names: Iterable[str]) -> None:
        _BEING_WRITTEN.difference_update((self._site.folder, name) for name in names)


@contextlib.contextmanager
def drafts(site: Site) -> Iterator[Drafts]:
    """New files for one change; what it does not commit is removed."""
    made = Drafts(site)
    try:
        yield made
    except BaseException:
        made.discard()
        raise
    made.discard()


def let_go_of(catalogue: sqlite3.Connection, files: Iterable[str], key_tables: Iterable[int]) -> None:
    """What no segment and no snapshot refers to any more: files to the trash, until no reader can have found them
    before (``pins``); key tables away."""
    names = list(files)
    epoch = pins.next_epoch(catalogue) if names else 0
    for file in names:
        catalogue.execute(
            """INSERT OR IGNORE INTO trash (file, epoch) SELECT ?1, ?2
               WHERE NOT EXISTS (SELECT 1 FROM segment WHERE file = ?1)
               AND NOT EXISTS (SELECT 1 FROM past_segment WHERE file = ?1)""",
            (file, epoch),
        )
    catalogue.executemany(
        """DELETE FROM key_table WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM segment WHERE key_table = ?1)
           AND NOT EXISTS (SELECT 1 FROM past_segment WHERE key_table = ?1)""",
        [(key_table,) for key_table in key_tables],
    )


def sweep(site: Site) -> None:
    """Remove what was left behind or let go: keys of holders that are gone; files first, then their rows; grants.

    Whatever is to be removed is claimed in a transaction of its own first: who else would have committed it finds that
    it is no longer his, however long this process was held up in between (C6). That transaction is also where a process
    that was overtaken is refused, before any file goes (I13).
    """
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            retire_released(site)  # a Region that only ever had copy grants has a key ring and no catalogue
            cluster_keys.release(site)
            return
        removable = trash.in_reach(site, pins.unread(site, trash.unreferenced(catalogue)))
        left = _left(site, catalogue)
        gone = catalogue.execute("SELECT holder FROM gone").fetchall()
    if removable or left or gone or _staging(site):
        with site.catalogue.write() as catalogue:
            _claim(catalogue, left)
            _drop_gone(site, catalogue)
            _drop_given_up(site, catalogue)
        empty_trash(site)
    retire_released(site)
    cluster_keys.release(site)


def sweep_files(site: Site) -> None:
    """The part of ``sweep`` that is about files: asks no key service, so it may be called often."""
    with site.catalogue.read() as catalogue:
        left = [] if catalogue is None else _left(site, catalogue)
    if left:
        with site.catalogue.write() as catalogue:
            _claim(catalogue, left)
    empty_trash(site)


def empty_trash(site: Site) -> None:
    """Remove files that are no longer referred to, but for those that a living reader may have found before, and those
    that are out of reach (``trash``)."""
    with site.catalogue.read() as catalogue:
        if catalogue is None or not pins.unread(site, trash.unreferenced(catalogue)):
            return
    with site.catalogue.write() as catalogue:  # an overtaken process is refused here, before any file goes (I13)
        found = trash.unreferenced(catalogue)
    removable = trash.in_reach(site, pins.unread(site, found))
    if removable:
        site.segments.remove(removable)
        with site.catalogue.write() as catalogue:
            inlined.remove(catalogue, removable)
            catalogue.executemany("DELETE FROM trash WHERE file = ?", [(file,) for file in removable])


def _claim(catalogue: sqlite3.Connection, left: Iterable[tuple[str, int]]) -> None:
    """Leftovers become trash, unless their change was committed since they were looked at."""
    for file, process in left:
        claimed = catalogue.execute("DELETE FROM pending WHERE file = ? AND process = ?", (file, process))
        if claimed.rowcount == 1:  # no reader can have found it, however early it began: epoch 0
            catalogue.execute("INSERT INTO trash (file, epoch) VALUES (?, 0)", (file,))


def _drop_gone(site: Site, catalogue: sqlite3.Connection) -> None:
    """The keys of what left the catalogue. Read again inside this transaction: a holder that was dropped by another
    process may have come back with new keys (encrypted again, copied again), which are not to go."""
    gone = [holder for (holder,) in catalogue.execute("SELECT holder FROM gone")]
    if gone:
        with site.keyring.write() as ring:
            for holder in gone:
                drop_holder(ring, holder)
        catalogue.executemany("DELETE FROM gone WHERE holder = ?", [(holder,) for holder in gone])


def _staging(site: Site) -> bool:
    with site.keyring.read() as ring:
        return ring is not None and bool(staging(ring))


def _drop_given_up(site: Site, catalogue: sqlite3.Connection) -> None:
    """CEKs that were staged by a change which is over: nothing is under them, and they must not keep their root key
    from being deleted for ever (G13)."""
    with site.keyring.write() as ring:
        for operation, uids in staging(ring).items():
            under_way = catalogue.execute(
                """SELECT 1 FROM operation WHERE token = ?1 AND NOT finished
                   UNION SELECT 1 FROM cluster WHERE token = ?1 AND status = ?2
                   UNION SELECT 1 FROM snapshot WHERE 'copy/' || uid = ?1 AND status = ?2""",
                (operation, CREATING),
            ).fetchone()
            if under_way is None:
                drop_unheld(ring, uids)
                forget_escrow_grant(ring, operation)


def _me() -> int:
    """This process in one number: its id, and above that when it began, so that a later one of the same id is not taken
    for it, and what a killed one left does not stay for as long as that lives."""
    return _named(os.getpid())


@functools.cache
def _named(pid: int) -> int:
    return Process.current().started << _PID_BITS | pid


def _left(site: Site, catalogue: sqlite3.Connection) -> list[tuple[str, int]]:
    """Files that nobody goes on writing, with who began to."""
    return [row for row in catalogue.execute("SELECT file, process FROM pending") if _is_left(site, *row)]


def _is_left(site: Site, file: str, process: int) -> bool:
    if process in {_me(), os.getpid()}:
        return (site.folder, file) not in _BEING_WRITTEN
    return is_dead(process & ((1 << _PID_BITS) - 1), process >> _PID_BITS)
