"""Signed requests that were seen: a change is carried out once for each of them, in whichever process a copy arrives.

The public service accepts a copy of a signed request until it is five minutes old. Here a copy that would change
something is refused. Whoever only reads or uses a key is answered again: that changes nothing.

SigV4 signs by the second, so a client's second equal request within one has the first one's signature. SDKs number what
they send in headers (``amz-sdk-invocation-id``, ``amz-sdk-request``), which some do not sign: those tell a second
request from a copy, for as long as requests of one second may take to arrive. Later they count for nothing, since
whoever has a copy could change them.

Signatures are kept beside the stores, without waiting for the disk: a power loss may forget those of its last moments.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection, IntegrityError
from typing import Final

from reconciler.errors import InvalidSignatureException
from reconciler.host import sqlite
from reconciler.serving.sigv4 import Signed

FILE_NAME: Final = "seen.db"
_WHAT: Final = "list of seen requests"
_SCHEMA: Final = """
CREATE TABLE seen (
    signature TEXT NOT NULL,
    attempt TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (signature, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_until ON seen (until);
"""
_APPLICATION_ID: Final = 0x524B5351  # "RKSQ"
TOGETHER: Final = timedelta(seconds=15)
_SWEEP_EVERY: Final = timedelta(minutes=1)


class Replays:
    """What was seen, in ``folder``. Opens nothing until the first change; threads and processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._turn = threading.Lock()
        self._connection: Connection | None = None
        self._swept: datetime | None = None

    def claim(self, signed: Signed, attempt: str, now: datetime) -> None:
        """Note the signature and ``attempt``, what the SDK numbers its requests with; InvalidSignatureException when
        both were noted before, or the signature longer ago than ``TOGETHER``. HostError."""
        at = int(now.timestamp())
        with self._turn, sqlite.translated(self._path, _WHAT):
            connection = self._open()
            with sqlite.transaction(connection):
                (first,) = connection.execute(
                    "SELECT min(at) FROM seen WHERE signature = ?", (signed.signature,)
                ).fetchone()
                if first is not None and at - first > TOGETHER.total_seconds():
                    raise _again()
                try:
                    connection.execute(
                        "INSERT INTO seen VALUES (?, ?, ?, ?)",
                        (signed.signature, attempt, at, int(signed.expires.timestamp())),
                    )
                except IntegrityError:
                    raise _again() from None
                if self._swept is None or now - self._swept > _SWEEP_EVERY:
                    self._swept = now
                    connection.execute("DELETE FROM seen WHERE until < ?", (at,))

    def close(self) -> None:
        """Give the file back."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = sqlite.connect(
                self._path, what=_WHAT, schema=_SCHEMA, format_number=1, application_id=_APPLICATION_ID
            )
            self._connection.execute("PRAGMA synchronous=NORMAL")
        return self._connection


def _again() -> InvalidSignatureException:
    return InvalidSignatureException(
        "This signed request was received before, and a change is carried out once: sign it again."
    )
