"""Secret bytes that a person hands over at the moment of use: from a file of theirs, or a descriptor."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.errors import HostError
from reconciler.host.private_file import private_file

MOST_BYTES = 16 * 1024


def read_secret_file(path: Path, what: str = "secret") -> bytearray:
    """All of a private file, byte for byte. HostError says what is wrong, and never what it holds."""
    with private_file(path, what) as handle:
        return _all_of(handle, str(path))


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
