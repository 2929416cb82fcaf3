"""A file that holds a secret: opened only when nobody else could have read or changed it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import HostError
from reconciler.host.sqlite import explain_os_error


@contextmanager
def private_file(path: Path, what: str) -> Iterator[int]:
    """A descriptor to read from: of a plain file, no link at its name, that this user (or root) owns and only its owner
    can open. HostError says what is wrong, also of what the system refuses meanwhile, and never what is in it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _refuse_open(os.fstat(descriptor), path, what)
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explain_os_error(error, path, f"file with the {what}") from error


def _refuse_open(found: os.stat_result, path: Path, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise HostError(
            f"What is at {path} is no plain file, so the {what} is not read from it",
            suggestion="Name a file, or hand it over as a descriptor.",
        )
    if found.st_uid not in (0, os.geteuid()):
        raise HostError(
            f"The file with the {what}, {path}, belongs to user {found.st_uid}",
            suggestion="It must be this user's or root's.",
        )
    if found.st_mode & 0o077:
        raise HostError(
            f"The file with the {what}, {path}, can be read by others: its mode is {stat.S_IMODE(found.st_mode):04o}",
            suggestion=f"chmod 600 {path}; if somebody may have read it, take another {what}.",
        )
