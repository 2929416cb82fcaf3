"""An ``Fs`` that fails when told to: every errno at every call, once or for ever (RELIABILITY T3)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from reconciler.model.ports import Bytes, Fs
from reconciler.testing.fault import Fault, Moment

T = TypeVar("T")


def disk_fault(number: int, *, at: int | None = None, for_ever: bool = False, moment: Moment = Moment.BEFORE) -> Fault:
    """A fault that raises OSError with that errno."""
    return Fault(lambda: OSError(number, os.strerror(number)), at=at, for_ever=for_ever, moment=moment)


class FailingFs:
    """``inner``, with the fault's error at the fault's call.

    ``Moment.PART`` lets ``write`` write half, ``read_into`` read half; other calls have no part and fail before their
    effect. A ``close`` always gives the handle back, as the system's does.
    """

    def __init__(self, inner: Fs, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault

    def create(self, path: Path) -> int:
        """See ``Fs.create``."""
        return self._call("create", lambda: self._inner.create(path))

    def write(self, handle: int, data: Bytes) -> None:
        """See ``Fs.write``."""
        raw = memoryview(data).cast("B")
        self._call(
            "write",
            lambda: self._inner.write(handle, raw),
            part=lambda: self._inner.write(handle, raw[: len(raw) // 2]),
        )

    def fsync(self, handle: int) -> None:
        """See ``Fs.fsync``."""
        self._call("fsync", lambda: self._inner.fsync(handle))

    def close(self, handle: int) -> None:
        """See ``Fs.close``."""
        error = self._fault.count("close")
        self._inner.close(handle)
        if error is not None:
            raise error

    def open(self, path: Path) -> int:
        """See ``Fs.open``."""
        return self._call("open", lambda: self._inner.open(path))

    def read_into(self, handle: int, buffer: memoryview, offset: int) -> int:
        """See ``Fs.read_into``."""
        return self._call(
            "read_into",
            lambda: self._inner.read_into(handle, buffer, offset),
            part=lambda: self._inner.read_into(handle, buffer[: len(buffer) // 2], offset),
        )

    def size(self, path: Path) -> int:
        """See ``Fs.size``."""
        return self._call("size", lambda: self._inner.size(path))

    def exists(self, path: Path) -> bool:
        """See ``Fs.exists``."""
        return self._call("exists", lambda: self._inner.exists(path))

    def rename(self, source: Path, target: Path) -> None:
        """See ``Fs.rename``."""
        self._call("rename", lambda: self._inner.rename(source, target))

    def unlink(self, path: Path) -> None:
        """See ``Fs.unlink``."""
        self._call("unlink", lambda: self._inner.unlink(path))

    def mkdir(self, path: Path) -> None:
        """See ``Fs.mkdir``."""
        self._call("mkdir", lambda: self._inner.mkdir(path))

    def listdir(self, path: Path) -> list[str]:
        """See ``Fs.listdir``."""
        return self._call("listdir", lambda: self._inner.listdir(path))

    def fsync_dir(self, path: Path) -> None:
        """See ``Fs.fsync_dir``."""
        self._call("fsync_dir", lambda: self._inner.fsync_dir(path))

    def _call(self, name: str, effect: Callable[[], T], part: Callable[[], object] | None = None) -> T:
        error = self._fault.count(name)
        if error is None:
            return effect()
        if self._fault.moment is Moment.AFTER:
            effect()
        elif self._fault.moment is Moment.PART and part is not None:
            part()
        raise error
