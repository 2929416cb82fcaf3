"""``Fs`` on the operating system."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.model.ports import Bytes

_ABSENT: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
)
_STRETCH: Final = 8 << 20


class OsFs:
    """Files of the machine: 0600, no symlinks followed at the last component, new names only by O_EXCL (T12)."""

    def create(self, path: Path) -> int:
        """See ``Fs.create``."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def write(self, handle: int, data: Bytes) -> None:
        """See ``Fs.write``."""
        rest = memoryview(data).cast("B")
        count = len(rest)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if count >= _STRETCH >> 5:
            _begin_writing_out(handle, count)

    def fsync(self, handle: int) -> None:
        """See ``Fs.fsync``."""
        os.fsync(handle)

    def close(self, handle: int) -> None:
        """See ``Fs.close``."""
        os.close(handle)

    def open(self, path: Path) -> int:
        """See ``Fs.open``."""
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def read_into(self, handle: int, buffer: memoryview, offset: int) -> int:
        """See ``Fs.read_into``."""
        done = 0
        while done < len(buffer):
            count = os.preadv(handle, [buffer[done:]], offset + done)
            if count == 0:
                break
            done += count
        return done

    def size(self, path: Path) -> int:
        """See ``Fs.size``."""
        return os.stat(path, follow_symlinks=False).st_size

    def exists(self, path: Path) -> bool:
        """See ``Fs.exists``. What the system cannot say for now (EIO) is an error, never a no: whoever hears no makes a
        new seal, or asks nobody to be careful."""
        try:
            os.lstat(path)
        except OSError as error:
            if error.errno in _ABSENT:
                return False
            raise
        return True

    def rename(self, source: Path, target: Path) -> None:
        """See ``Fs.rename``."""
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        """See ``Fs.unlink``."""
        os.unlink(path)

    def mkdir(self, path: Path) -> None:
        """See ``Fs.mkdir``."""
        for folder in (*reversed(path.parents), path):
            try:
                os.mkdir(folder, 0o700)  # unlike makedirs: the parents are private too
            except FileExistsError:
                if not folder.is_dir():
                    raise
            except OSError as error:
                # A folder on the way may exist where nothing can be made (EROFS, EACCES): only its absence matters.
                if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM} or not folder.is_dir():
                    raise

    def listdir(self, path: Path) -> list[str]:
        """See ``Fs.listdir``."""
        return sorted(os.listdir(path))

    def fsync_dir(self, path: Path) -> None:
        """See ``Fs.fsync_dir``."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _begin_writing_out(handle: int, count: int) -> None:
    """Let the disk begin with each full stretch of a bulk file while the next is made: the fsync that alone makes it
    durable then waits for the last one only. A hint: where a file system knows none, that fsync waits longer."""
    end = os.lseek(handle, 0, os.SEEK_CUR)
    first, last = (end - count) // _STRETCH * _STRETCH, end // _STRETCH * _STRETCH
    if first < last:
        with suppress(OSError):
            os.posix_fadvise(handle, first, last - first, os.POSIX_FADV_DONTNEED)
