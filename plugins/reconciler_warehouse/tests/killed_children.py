"""Processes that work on one warehouse until they are killed: one that loads, and one that does something else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler_warehouse.tests.worlds import World


def in_child(work: Callable[[], object]) -> int:
    """The id of a process that does the work."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(1)


def kill(child: int) -> None:
    """End a process that is still at it: one that ended by itself failed."""
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def ten_rows(world: World, number: int) -> Path:
    """A file with rows of its own, ids from 10 × ``number`` on."""
    rows = "".join(f"{10 * number + one},x,1.5\n" for one in range(10))
    return world.file(f"{number}.csv", f"id,tail,delay\n{rows}")


def load_on(world: World, done: Path) -> None:
    """Load file after file; the numbers of those that are in are written to ``done``."""
    for number in range(1, 10**6):
        path = ten_rows(world, number)
        while True:
            try:
                world.load(path)
                break
            except ReconcilerError:  # overtaken, or its root is away: again
                continue
        with done.open("a") as told:
            told.write(f"{number}\n")


def work_on(world: World, work: Callable[[World, int], object], first: int) -> None:
    """Do it with number after number, whatever it is told: overtaken by the loader, the next one."""
    for number in range(first, 10**9):
        with suppress(ReconcilerError):
            work(world, number)
