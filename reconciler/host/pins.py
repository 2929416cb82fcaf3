"""Numbers that living readers hold on to: one file each, locked for as long as its holder lives.

What a reader of number ``n`` may still need goes only when ``oldest_pin`` is past it. The kernel drops a lock with its
process, so a killed reader holds nothing up, and its file is removed by whoever looks next.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.model.ports import Random

_NO_PLACE: Final = {errno.EROFS, errno.EACCES, errno.EPERM}
_MAKING: Final = "."  # begins the name of a pin that is not locked yet


@contextmanager
def pinned(folder: Path, number: int, random: Random) -> Iterator[None]:
    """Hold ``number`` for the time of the block. To be entered before looking at what the number stands for.

    Where nothing can be written (a read-only home) nothing is held: there nobody can remove anything either. OSError
    for what else the system refuses."""
    try:
        held = _held(folder, number, random)
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        yield
        return
    path, descriptor = held
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)
        os.close(descriptor)


def oldest_pin(folder: Path) -> int | None:
    """The least number that is held, None when none is. Pins of the dead are removed. OSError."""
    oldest: int | None = None
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return None
    for name in names:
        if _is_dead(folder / name):
            continue
        number = name.partition(".")[0]
        if number.isdigit():  # else it is being made: its holder has not looked yet
            oldest = int(number) if oldest is None else min(oldest, int(number))
    return oldest


def _held(folder: Path, number: int, random: Random) -> tuple[Path, int]:
    """Made and locked under another name, and renamed: nobody sees a pin that is not locked and takes its holder for
    dead."""
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    while True:
        nonce = random.bytes(8).hex()
        making, path = folder / f"{_MAKING}{nonce}", folder / f"{number}.{os.getpid()}.{nonce}"
        descriptor = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(making, path)
        except (BlockingIOError, FileNotFoundError):  # somebody who looked for pins of the dead was quicker
            os.close(descriptor)
            continue
        except BaseException:
            os.close(descriptor)
            raise
        return path, descriptor


def _is_dead(path: Path) -> bool:
    """Whether nobody holds the pin (any more); then it is removed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            os.unlink(path)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
