"""Files that manifests name: below the project, through no symbolic link (CONTRACT 1, T12).

Every part of a path is opened relative to the folder before it and without following links, so a link that is swapped
in while we look is refused as well. What was read is remembered: a cached manifest counts only while it is the same.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

LARGEST_TEXT = 1024 * 1024

# A file that was changed within the file system's clock tick after we read it keeps its times. So times vouch for a
# content only when they were this much older than the reading.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class SideFile:
    """A file that a manifest named, as it was read. ``times`` are size, device, inode, mtime and ctime, empty when they
    cannot vouch for the content."""

    path: str
    sha256: str
    times: str


class SideFiles:
    """The files below ``project``, as ``resources.spec.ProjectFiles``; ``seen`` are those that were asked for."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self.seen: dict[str, SideFile] = {}

    def text(self, path: str) -> str:
        """See ``ProjectFiles.text``."""
        with _opened(self._project, path) as file, self._noting(path, file) as note:
            content = file.read(LARGEST_TEXT + 1)
            if len(content) > LARGEST_TEXT:
                raise ValueError(f"it is larger than {LARGEST_TEXT // 1024} KiB")
            note(hashlib.sha256(content).hexdigest())
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("it is not UTF-8") from None

    def sha256(self, path: str) -> str:
        """See ``ProjectFiles.sha256``."""
        if path not in self.seen:
            with _opened(self._project, path) as file, self._noting(path, file) as note:
                note(hashlib.file_digest(file, "sha256").hexdigest())
        return self.seen[path].sha256

    def again(self, known: SideFile) -> SideFile | None:
        """The file as it is now when it still holds what it held when it was ``known``, else None."""
        try:
            if known.times:
                with _opened(self._project, known.path) as file:
                    if _times(os.fstat(file.fileno())) == known.times:
                        return known
            return self.seen[known.path] if self.sha256(known.path) == known.sha256 else None
        except ValueError:
            return None

    @contextmanager
    def _noting(self, path: str, file: BufferedReader) -> Iterator[Callable[[str], None]]:
        """Remember the digest that is found inside, unless the file changes meanwhile."""
        begin = time.time_ns()
        before = os.fstat(file.fileno())
        found: list[str] = []
        yield found.append
        if _times(os.fstat(file.fileno())) != _times(before):
            raise ValueError("it was changed while it was being read")
        is_settled = max(before.st_mtime_ns, before.st_ctime_ns) < begin - _SETTLED_NS
        self.seen[path] = SideFile(path, found[0], _times(before) if is_settled else "")


def _times(found: os.stat_result) -> str:
    return f"{found.st_size},{found.st_dev},{found.st_ino},{found.st_mtime_ns},{found.st_ctime_ns}"


@contextmanager
def _opened(project: Path, path: str) -> Iterator[BufferedReader]:
    """The file, for reading. ValueError in words that continue "it cannot be used: "."""
    parts = path.split("/")
    if path.startswith("/"):
        raise ValueError("it is an absolute path, and only paths below the project are taken")
    if ".." in parts:
        raise ValueError("it leads out of the project")
    if "" in parts or "." in parts or "\0" in path:
        raise ValueError("it is not a plain path such as policies/orders.json")
    try:
        with _walk(project, parts) as descriptor, open(descriptor, "rb", closefd=False) as file:
            yield file
    except OSError as error:
        raise ValueError(_reason(error)) from None


@contextmanager
def _walk(project: Path, parts: list[str]) -> Iterator[int]:
    folder = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        # O_NONBLOCK: a pipe must not hold us up before we see that it is one.
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError("it is not a regular file")
        yield file
    finally:
        os.close(file)


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "there is no such file"
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "a part of it is a symbolic link or no folder, and links are not followed"
    return os.strerror(error.errno) if error.errno else str(error)
