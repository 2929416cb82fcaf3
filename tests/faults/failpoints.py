"""Where a process can be killed, and killing it there: fork, and SIGKILL at the n-th change of anything durable (T1).

The disk changes at two kinds of calls only, so a kill anywhere else leaves what a kill at one of these leaves: each
call of ``Fs`` that makes, fills, syncs, renames or removes something (a write also when half of it is done), and each
BEGIN and COMMIT of a SQLite store (state, key store, key ring, catalogue), which are what every call of the state and
of a provider consists of.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Bytes
from reconciler.testing.watched_sqlite import watched_sqlite

DURABLE_SQL = ("BEGIN IMMEDIATE", "COMMIT", "PRAGMA wal_checkpoint", "PRAGMA journal_mode=WAL", "PRAGMA user_version=")

T = TypeVar("T")


@dataclass
class Failpoints:
    """Counts what is reached; dies at the one numbered ``at`` (from 0)."""

    at: int | None = None
    reached: list[str] = field(default_factory=list)

    def hit(self, name: str) -> None:
        """Reached once more: about to do what the name says."""
        if self.at == len(self.reached):
            os.kill(os.getpid(), signal.SIGKILL)
        self.reached.append(name)

    def statement(self, sql: str) -> bool:
        """See ``watched_sqlite``."""
        if sql.startswith(DURABLE_SQL):
            self.hit(sql)
        return False


class MortalFs(OsFs):
    """The disk, with a failpoint before each change of it."""

    def __init__(self, points: Failpoints) -> None:
        self._points = points

    def create(self, path: Path) -> int:
        self._points.hit("create")
        return super().create(path)

    def write(self, handle: int, data: Bytes) -> None:
        self._points.hit("write")
        raw = memoryview(data).cast("B")
        half = len(raw) // 2
        super().write(handle, raw[:half])
        self._points.hit("write, half done")
        super().write(handle, raw[half:])

    def fsync(self, handle: int) -> None:
        self._points.hit("fsync")
        super().fsync(handle)

    def rename(self, source: Path, target: Path) -> None:
        self._points.hit("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._points.hit("unlink")
        super().unlink(path)

    def mkdir(self, path: Path) -> None:
        if not path.is_dir():
            self._points.hit("mkdir")
        super().mkdir(path)

    def fsync_dir(self, path: Path) -> None:
        self._points.hit("fsync_dir")
        super().fsync_dir(path)


Work = Callable[[OsFs], object]


def trace(work: Work) -> list[str]:
    """Carry it out in a process of its own; the failpoints that it reached."""
    with tempfile.TemporaryFile() as told:
        status = _in_child(work, Failpoints(), told.fileno())
        told.seek(0)
        found = pickle.loads(told.read())  # noqa: S301  # written by our own child
    assert status == 0, found
    assert isinstance(found, list)
    return found


def kill(work: Work, at: int) -> bool:
    """Carry it out in a process of its own that is killed at that failpoint; whether it got there."""
    with tempfile.TemporaryFile() as told:
        status = _in_child(work, Failpoints(at=at), told.fileno())
        if status == -signal.SIGKILL:
            return True
        told.seek(0)
        found = pickle.loads(told.read())  # noqa: S301  # written by our own child
    assert status == 0, found
    return False


def ended(work: Callable[[], T]) -> T:
    """What the work answers, carried out in a process of its own that has ended."""
    with tempfile.TemporaryFile() as told:
        child = os.fork()
        if child == 0:
            gc.disable()
            code = 1
            try:
                answer: object = work()
                code = 0
            except BaseException:
                answer = traceback.format_exc()
            finally:
                with os.fdopen(os.dup(told.fileno()), "wb") as file:
                    pickle.dump(answer, file)
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told.seek(0)
        said = pickle.load(told)  # noqa: S301  # written by our own child
    assert status == 0, said
    return cast(T, said)


def _in_child(work: Work, points: Failpoints, told: int) -> int:
    child = os.fork()
    if child == 0:
        gc.disable()  # a collection would copy the whole heap
        code = 1
        try:
            with watched_sqlite(points.statement):
                work(MortalFs(points))
            answer: object = points.reached
            code = 0
        except BaseException:
            answer = traceback.format_exc()
        finally:
            os.write(told, pickle.dumps(answer))
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
