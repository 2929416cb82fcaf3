"""A folder of files that appears whole, or not at all: for what a person is given to take away."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import ConflictException, HostError
from reconciler.model.ports import Fs


@contextmanager
def new_folder(fs: Fs, path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` to write into (with ``durable.write_new``), mode 0700; at the end of the block it
    is called ``path``, durably. After an error nothing of it is left; what a killed process left is removed by the
    next that makes the same. FileExistsError when the name is taken, HostError when the folder above is not there,
    ConflictException while another process makes the same."""
    _refuse_taken(fs, path)
    if not path.parent.is_dir():
        raise HostError(f"There is no folder {path.parent} to write into", suggestion="Make it, or name another place.")
    making = path.with_name(f".{path.name}.making")
    descriptor = _alone(fs, making)
    try:
        try:
            yield making
            fs.fsync_dir(making)
            _refuse_taken(fs, path)
            fs.rename(making, path)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)  # the first error is the one to report
            raise
        fs.fsync_dir(path.parent)
    finally:
        os.close(descriptor)


def _alone(fs: Fs, making: Path) -> int:
    """A lock on the folder, made anew and empty; it goes with the process."""
    for _ in range(2):
        fs.mkdir(making)
        descriptor = os.open(making, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_uid != os.geteuid():
                raise HostError(f"The folder {making} belongs to somebody else", suggestion="Name another place.")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.listdir(making) and os.path.samestat(os.fstat(descriptor), os.stat(making)):
                return descriptor
            shutil.rmtree(making)  # a killed process left it
        except BlockingIOError:
            os.close(descriptor)
            break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise ConflictException(
        f"Another process is writing {making.name[1:-7]}", suggestion="Wait for it, or name another."
    )


def _refuse_taken(fs: Fs, path: Path) -> None:
    if fs.exists(path) or os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
