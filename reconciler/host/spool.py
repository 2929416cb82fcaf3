"""A file to which one process appends records, each with one write, until somebody moves them to where they belong.

What ``append`` has taken is kept by the system however the process ends; only a loss of power takes what was not moved
yet. Each spool is named by its identity and locked by the process that writes to it, so that what a dead process left
can be told, moved and removed by another. Records are numbered, so whoever moves them twice can know it.

    record: length 4 | number 8 | tag 16 | body

The tag authenticates identity, length, number and body under a key of the caller's. A record that was cut short ends
the spool.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.host.exclusive import alone_in
from reconciler.host.sqlite import explain_os_error

Tag = Callable[[bytes], bytes]
"""16 bytes over a message."""

TAG_BYTES: Final = 16
_HEAD: Final = struct.Struct(">IQ")
_HEAD_BYTES: Final = _HEAD.size + TAG_BYTES
_SUFFIX: Final = ".spool"


class Spooled(NamedTuple):
    """What a spool holds: ``records`` as number and body, in order; ``wrong_bytes`` is how much of it, from the first
    record whose tag is not right, was not written by its process. A record that was only cut short is not counted."""

    records: list[tuple[int, bytes]]
    wrong_bytes: int


class Spool:
    """The spool that this process writes to. HostError for what the system refuses."""

    def __init__(self, folder: Path, identity: bytes, tag: Tag, what: str) -> None:
        self.name = identity.hex()
        self._path = folder / f"{self.name}{_SUFFIX}"
        self._identity = identity
        self._tag = tag
        self._what = what
        self._number = 0
        self._size = 0
        self._handle = -1
        self._is_torn = False
        try:
            # Alone, so that nobody takes it for a dead process's before it is locked.
            with alone_in(folder):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                self._handle = os.open(self._path, flags, 0o600)
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise explain_os_error(error, self._path, what) from error

    def append(self, body: bytes) -> int:
        """Keep the record; its number. HostError when the system does not take it whole (a full disk): then it is not
        there."""
        number = self._number + 1
        head = _HEAD.pack(len(body), number)
        record = head + self._tag(self._identity + head + body) + body
        try:
            if self._is_torn:
                self._mend()
            if os.write(self._handle, record) != len(record):
                # What came after a part of a record would never be read.
                self._is_torn = True
                self._mend()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise explain_os_error(error, self._path, self._what) from error
        self._number = number
        self._size += len(record)
        return number

    def clear(self) -> None:
        """Empty it: every record was moved. What it cannot be emptied of is known by its number."""
        if self._size:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
                self._size = 0

    def close(self, *, keep: bool) -> None:
        """Give it back; unless its records are still to be moved, remove it."""
        if self._handle < 0:
            return
        if not keep:
            with suppress(OSError):
                os.unlink(self._path)
        os.close(self._handle)
        self._handle = -1

    def _mend(self) -> None:
        os.ftruncate(self._handle, self._size)
        self._is_torn = False


def spools(folder: Path) -> list[str]:
    """Names of the spools in the folder, sorted, whoever writes to them."""
    with suppress(FileNotFoundError):
        found = (name for name in os.listdir(folder) if name.endswith(_SUFFIX) and not name.startswith("."))
        return sorted(name.removesuffix(_SUFFIX) for name in found)
    return []


def read_spool(folder: Path, name: str, tag: Tag) -> Spooled:
    """What the spool of that name holds, also while its process writes to it; nothing, when it has just gone."""
    try:
        identity = bytes.fromhex(name)
        handle = os.open(folder / f"{name}{_SUFFIX}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, ValueError):
        return Spooled([], 0)
    with os.fdopen(handle, "rb") as file:
        content = file.read()
    records, end = [], 0
    for number, body, after in _records(content, identity, tag):
        records.append((number, body))
        end = after
    rest = len(content) - end
    is_cut_short = rest < _HEAD_BYTES or rest < _HEAD_BYTES + _HEAD.unpack_from(content, end)[0]
    return Spooled(records, 0 if is_cut_short else rest)


def is_orphan(folder: Path, name: str) -> bool:
    """Whether no process writes to the spool any more, or it has gone. HostError."""
    return _of_orphan(folder, name, remove=False)


def remove_orphan(folder: Path, name: str) -> bool:
    """Remove the spool unless a process writes to it; whether there is none any more. HostError."""
    return _of_orphan(folder, name, remove=True)


def _of_orphan(folder: Path, name: str, *, remove: bool) -> bool:
    path = folder / f"{name}{_SUFFIX}"
    try:
        with alone_in(folder):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if remove:
                    os.unlink(path)
            finally:
                os.close(handle)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        raise explain_os_error(error, path, "spool") from error
    return True


def _records(content: bytes, identity: bytes, tag: Tag) -> Iterator[tuple[int, bytes, int]]:
    at, before = 0, 0
    while at + _HEAD_BYTES <= len(content):
        length, number = _HEAD.unpack_from(content, at)
        if before and number != before + 1:  # something between them was taken out, or was emptied while we read
            return
        before = number
        body_at = at + _HEAD_BYTES
        body = content[body_at : body_at + length]
        if len(body) < length:
            return
        claimed = content[at + _HEAD.size : body_at]
        if not compare_digest(tag(identity + content[at : at + _HEAD.size] + body), claimed):
            return
        at = body_at + length
        yield number, body, at
