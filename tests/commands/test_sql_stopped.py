"""Ctrl-C and SIGTERM end ``reconciler sql`` whatever the statement does, and leave nothing behind (CONTRACT 4)."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from reconciler.host.interrupts import Interrupts
from reconciler.testing.quick_folder import tmp_path
from tests.world import World, document, provider

__all__ = ["tmp_path"]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20  # a signal is answered in a twentieth of one; a busy machine takes longer
MANIFESTS = (
    provider()
    + provider("dwh", "warehouse")
    + document("Key", "one")
    + document("Cluster", "sales", provider="dwh", nodeType="ra3.large", nodes="1", encryption="{key: one}")
)
FOR_EVER = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SELECT {} FROM r"
MANY = "SELECT a.n FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, t j"
STATEMENTS = {
    "a question that has no end": FOR_EVER.format("count(*)"),
    "an answer that has no end": FOR_EVER.format("*"),
    "rows without end": f"INSERT INTO t {MANY}",
    "a table without end": f"CREATE TABLE other AS {MANY}",
    "a removal without end": f"DELETE FROM t WHERE n IN ({FOR_EVER.format('n')})",  # noqa: S608  # constants
    "a change without end": f"UPDATE t SET n = 1 WHERE n IN ({FOR_EVER.format('n')})",  # noqa: S608  # constants
}


SIGNALS = (signal.SIGINT, signal.SIGTERM)
LAST = ("a question that has no end", signal.SIGTERM)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A table of a hundred rows."""
    world = World(tmp_path_factory.mktemp("sql"))
    world.declare(MANIFESTS)
    world.apply()
    assert world.run("sql", "-c", "sales", "CREATE TABLE t (n int)").code == 0
    values = ", ".join(f"({number})" for number in range(100))
    assert world.run("sql", "-c", "sales", f"INSERT INTO t VALUES {values}").code == 0  # noqa: S608  # constants
    return world


def process(*arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(str(path) for path in (ROOT, ROOT / "plugins"))
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def pins(world: World) -> list[str]:
    """Of readers; nothing else lies in that folder."""
    return [path.name for path in world.folder.rglob("pins/*")]


def data(world: World) -> list[str]:
    """Names of files of rows, and what is pending or inline."""
    (folder,) = [path.parent for path in world.folder.rglob("catalogue.db")]
    with closing(sqlite3.connect(folder / "catalogue.db")) as catalogue:
        rows = catalogue.execute("SELECT file FROM pending UNION ALL SELECT file FROM inline").fetchall()
    return sorted([*(path.name for path in folder.glob("data/*")), *(name for (name,) in rows)])


@pytest.mark.parametrize(("what", "number"), [*zip(STATEMENTS, itertools.cycle(SIGNALS), strict=False), LAST])
def test_a_statement_is_ended_and_leaves_nothing(world: World, what: str, number: signal.Signals) -> None:
    before = data(world)
    running = process("-m", "reconciler", "-C", str(world.folder), "sql", "-c", "sales", STATEMENTS[what])
    until(lambda: pins(world) or running.poll() is not None)
    time.sleep(0.3)  # the engine is at it
    running.send_signal(number)
    out, complaint = running.communicate(timeout=SECONDS)
    assert (running.returncode, out) == (1, "")
    assert complaint == "Stopped: the statement was ended, and changed nothing.\n"
    assert pins(world) == []
    assert data(world) == before
    assert world.run("lock", "list").out == "The lock is free.\n"
    assert world.run("sql", "-c", "sales", "--format", "csv", "SELECT count(*) FROM t").out.split()[-1] == "100"


WAITING = """
import time
from reconciler.host.interrupts import Interrupts
with Interrupts().heard(1):
    print("here", flush=True)
    time.sleep(60)
"""


def test_a_second_signal_leaves_at_once() -> None:
    running = process("-c", WAITING)
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=SECONDS)
    assert running.returncode == 1


@contextmanager
def heard_as_before() -> Iterator[None]:
    """Afterwards signals are heard by whom they were heard before."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_cannot_look_by_itself_is_told_again_and_again_until_it_is_over() -> None:
    interrupts, told = Interrupts(), list[bool]()
    with heard_as_before(), interrupts.heard(1):
        assert not interrupts.is_asked()
        with interrupts.interrupted_by(lambda: told.append(interrupts.is_asked())):
            os.kill(os.getpid(), signal.SIGINT)
            until(lambda: len(told) > 2)
        assert all(told)
        count = len(told)
        time.sleep(0.2)
        assert len(told) == count, "it is over"


def test_only_the_main_thread_says_who_listens() -> None:
    interrupts, seen = Interrupts(), list[bool]()

    def run() -> None:
        with interrupts.heard(1):
            seen.append(interrupts.is_asked())

    thread = threading.Thread(target=run)
    with heard_as_before():
        thread.start()
        thread.join()
    assert seen == [False]
