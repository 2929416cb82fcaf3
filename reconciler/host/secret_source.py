"""Secret bytes that a person hands over at the moment of use: from a file of theirs, or a descriptor."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reconciler.errors import HostError

MOST_BYTES = 16 * 1024


def read_secret_file(path: Path) -> bytearray:
    """All of a file that nobody else can open: a plain one, no link at its name, of this user (or root), mode 0600 or
    less. HostError says what is wrong, and never what it holds."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _refused(path, f"cannot be opened: {error.strerror}", "Name a file that is there, and no link.") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise _refused(path, "is no plain file", "Name a file.")
        if found.st_uid not in (0, os.geteuid()):
            raise _refused(path, f"belongs to user {found.st_uid}", "Own it, so that nobody else can change it.")
        if found.st_mode & 0o077:
            mode = f"{stat.S_IMODE(found.st_mode):04o}"
            raise _refused(path, f"can be opened by others: its mode is {mode}", f"chmod 600 {path}")
        return _all_of(handle, str(path))
    finally:
        os.close(handle)


def read_secret_descriptor(number: int) -> bytearray:
    """What is left to read from an open descriptor of this process. HostError."""
    return _all_of(number, f"Descriptor {number}")


def _all_of(handle: int, what: str) -> bytearray:
    found = bytearray()
    try:
        while len(found) <= MOST_BYTES and (part := os.read(handle, MOST_BYTES)):
            found += part
    except OSError as error:
        raise _refused(what, f"cannot be read: {error.strerror}", "Hand the material over, and apply again.") from None
    if not found:
        raise _refused(what, "holds nothing", "Hand the material over, and apply again.")
    if len(found) > MOST_BYTES:
        found[:] = bytes(len(found))
        raise _refused(what, f"holds more than {MOST_BYTES} bytes", "It is to hold the material and nothing else.")
    return found


def _refused(what: object, why: str, suggestion: str) -> HostError:
    return HostError(f"{what} {why}", suggestion=suggestion)
