"""Processes that die at any point, for tests of what they leave."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from reconciler.host.os_fs import OsFs
from reconciler.testing.watched_sqlite import watched_sqlite

Dies = Callable[[str], bool]


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a process of its own: 0 when it came to its end, 1 when it raised, negative when a signal ended
    it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def killed_at(at: int, work: Callable[[Dies], object]) -> int:
    """As ``in_child``, in a process that dies before the ``at``-th SQL statement or change of the disk, if ``work``
    makes the latter through ``DyingFs`` with what it is given."""
    count = 0

    def dies(_: str) -> bool:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    def watched() -> None:
        with watched_sqlite(dies):
            work(dies)

    return in_child(watched)


class DyingFs(OsFs):
    """Dies before the n-th change of the disk."""

    def __init__(self, dies: Dies) -> None:
        self._dies = dies

    def create(self, path: Path) -> int:
        self._dies("")
        return super().create(path)

    def fsync(self, handle: int) -> None:
        self._dies("")
        super().fsync(handle)

    def rename(self, source: Path, target: Path) -> None:
        self._dies("")
        super().rename(source, target)
        self._dies("")

    def unlink(self, path: Path) -> None:
        self._dies("")
        super().unlink(path)
