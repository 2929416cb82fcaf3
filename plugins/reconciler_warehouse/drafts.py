"""Files on their way in and on their way out: intent row → file → fsync → commit; out of the catalogue → unlink (I4).

No file is ever written under a name that was used before. What a crash leaves is either committed or named in
``pending``, ``trash`` or ``gone``, and the next change sweeps that.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from reconciler.errors import ConflictException, ReconcilerError
from reconciler.host.durable import write_new
from reconciler.host.sqlite import explain_os_error
from reconciler_warehouse.keyring import drop_holder
from reconciler_warehouse.roots import retire_released
from reconciler_warehouse.site import Site

# Files that this process is writing now: a fact of the process, so that a sweep by another thread leaves them alone.
_BEING_WRITTEN: set[Path] = set()


class Drafts:
    """The new files of one change."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._names: list[str] = []

    def write(self, name: str, chunks: Iterable[memoryview]) -> None:
        """A file of that name, durable, referred to by nothing yet."""
        self.begin(name)
        self.fill(name, chunks)

    def begin(self, name: str) -> None:
        """Note that a file of that name will be written: durable before the file exists."""
        _BEING_WRITTEN.add(self._site.file(name))
        self._names.append(name)
        with self._site.catalogue.write() as catalogue:
            catalogue.execute("INSERT OR REPLACE INTO pending (file, process) VALUES (?,?)", (name, os.getpid()))

    def fill(self, name: str, chunks: Iterable[memoryview]) -> None:
        """Write the file that ``begin`` named."""
        path = self._site.file(name)
        try:
            self._site.fs.mkdir(path.parent)
            write_new(self._site.fs, path, chunks)
        except OSError as error:
            raise explain_os_error(error, path, "segment") from error

    def commit(self, catalogue: sqlite3.Connection) -> None:
        """Hand the files over to the transaction that refers to them. ConflictException if they were swept."""
        for name in self._names:
            if catalogue.execute("DELETE FROM pending WHERE file = ?", (name,)).rowcount != 1:
                raise ConflictException(
                    "Another process swept a file that was being written; nothing of this call was committed",
                    suggestion="Run the command again.",
                )

    def done(self) -> None:
        """The transaction is durable: nothing of it is to be cleaned up."""
        self._release()
        self._names = []

    def discard(self) -> None:
        """Remove what was not committed, as far as the disk lets us; a sweep removes the rest.

        Asks the catalogue, not memory: an error may come after a commit that is durable.
        """
        self._release()
        with contextlib.suppress(OSError, ReconcilerError):
            for name in self._names:
                if self._is_pending(name):
                    unlink(self._site, name)
                    with self._site.catalogue.write() as catalogue:
                        catalogue.execute("DELETE FROM pending WHERE file = ?", (name,))

    def _is_pending(self, name: str) -> bool:
        with self._site.catalogue.read() as catalogue:
            return catalogue is not None and bool(
                catalogue.execute("SELECT 1 FROM pending WHERE file = ?", (name,)).fetchone()
            )

    def _release(self) -> None:
        _BEING_WRITTEN.difference_update(self._site.file(name) for name in self._names)


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
    """What no segment and no snapshot refers to any more: files to the trash, key tables away."""
    for file in files:
        catalogue.execute(
            """INSERT OR IGNORE INTO trash SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM segment WHERE file = ?1)
               AND NOT EXISTS (SELECT 1 FROM snapshot_segment WHERE file = ?1)""",
            (file,),
        )
    for key_table in key_tables:
        catalogue.execute(
            """DELETE FROM key_table WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM segment WHERE key_table = ?1)
               AND NOT EXISTS (SELECT 1 FROM snapshot_segment WHERE key_table = ?1)""",
            (key_table,),
        )


def sweep(site: Site) -> None:
    """Remove what was left behind or let go: files first, then their rows; keys of holders that are gone; grants."""
    with site.catalogue.read() as catalogue:
        if catalogue is None:
            return
        trash = [row[0] for row in catalogue.execute("SELECT file FROM trash")]
        left = [row[0] for row in catalogue.execute("SELECT file, process FROM pending") if _is_left(site, *row)]
        gone = [row[0] for row in catalogue.execute("SELECT holder FROM gone")]
    for file in (*trash, *left):
        unlink(site, file)
    if gone:
        with site.keyring.write() as ring:
            for holder in gone:
                drop_holder(ring, holder)
    if trash or left or gone:
        with site.catalogue.write() as catalogue:
            catalogue.executemany("DELETE FROM trash WHERE file = ?", [(file,) for file in trash])
            catalogue.executemany("DELETE FROM pending WHERE file = ?", [(file,) for file in left])
            catalogue.executemany("DELETE FROM gone WHERE holder = ?", [(holder,) for holder in gone])
    retire_released(site)


def unlink(site: Site, name: str) -> None:
    """Remove a file that nothing refers to; no error when it is gone."""
    path = site.file(name)
    try:
        site.fs.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise explain_os_error(error, path, "segment") from error


def _is_left(site: Site, file: str, process: int) -> bool:
    if process == os.getpid():
        return site.file(file) not in _BEING_WRITTEN
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
