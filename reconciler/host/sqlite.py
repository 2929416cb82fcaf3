"""SQLite as every store of ours opens it: state, key store, key ring, catalogue, audit (DESIGN 2).

WAL and synchronous=FULL, so a commit that returned survives a power loss; 0600 inside a 0700 folder; a format number
that refuses what a newer version wrote. Several processes may have the same file open.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import DamagedStore, HostError, NewerFormat, ReconcilerError

BUSY_MILLISECONDS = 30_000


def connect(path: Path, *, what: str, schema: str, format_number: int, application_id: int) -> sqlite3.Connection:
    """The store at ``path``, made with ``schema`` when absent.

    ``what`` names it in messages ("state", "key store"). The connection is in autocommit mode (use ``transaction``)
    and may be passed between threads by a caller that serialises its use. DamagedStore, NewerFormat, HostError.
    """
    with translated(path, what):
        os.makedirs(path.parent, mode=0o700, exist_ok=True)
        is_new = not path.exists()
        if is_new:
            # SQLite would create it under the umask; a store is never readable by others, not even for a moment.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = _open(path.resolve().as_uri() + "?mode=rw")
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA secure_delete=ON")
            if not _made(connection):
                with transaction(connection):
                    if not _made(connection):  # another process may have been first
                        for statement in _statements(schema):
                            connection.execute(statement)
                        connection.execute(f"PRAGMA application_id={application_id}")
                        connection.execute(f"PRAGMA user_version={format_number}")
            _check(connection, path, what, format_number, application_id)
        except BaseException:
            connection.close()
            raise
        return connection


def connect_read_only(path: Path, *, what: str, format_number: int, application_id: int) -> sqlite3.Connection | None:
    """The store for reading only, None when there is none: plan and drift work on a read-only home (DESIGN 4)."""
    with translated(path, what):
        if not path.exists():
            return None
        uri = path.resolve().as_uri()
        # A WAL store in a folder that cannot be written, with no log beside it, opens only as immutable.
        immutable = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        connection = _open(uri + ("?immutable=1" if immutable else "?mode=ro"))
        try:
            if not _made(connection):
                connection.close()
                return None
            _check(connection, path, what, format_number, application_id)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One immediate transaction: the write lock first, then all or nothing (I14)."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def translated(path: Path, what: str) -> Iterator[None]:
    """SQLite's and the system's errors as ours: damaged, locked, full disk, permission."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _explain(error, path, what) from error
    except OSError as error:
        raise explain_os_error(error, path, what) from error


def explain_os_error(error: OSError, path: Path, what: str) -> HostError:
    """A failed system call in words, with the way out."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    advice: dict[int | None, str] = {
        errno.ENOSPC: "Free some space and run the command again; nothing that was finished is lost.",
        errno.EACCES: "Give this user access to it, or choose another place (home, state.path in reconciler.yaml).",
        errno.EROFS: "The file system is read-only: choose another place (home, state.path in reconciler.yaml).",
    }
    return HostError(
        f"The {what} at {path} cannot be used: {reason}",
        suggestion=advice.get(error.errno, "Mend what the system reports and run the command again."),
    )


def _open(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_MILLISECONDS / 1000, check_same_thread=False
    )
    connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    return connection


def _made(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(version)


def _check(connection: sqlite3.Connection, path: Path, what: str, format_number: int, application_id: int) -> None:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found != application_id:
        raise DamagedStore(
            f"The file {path} is not a {what} of reconciler",
            suggestion="It is left as it is. Name another path, or move that file away.",
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > format_number:
        raise NewerFormat(
            f"The {what} at {path} has format {version}; this version of reconciler knows up to {format_number}",
            suggestion="Use the version of reconciler that wrote it, or a newer one. The file was not touched.",
        )


def _statements(schema: str) -> Iterator[str]:
    for statement in schema.split(";"):
        if statement.strip():
            yield statement


def _explain(error: sqlite3.DatabaseError, path: Path, what: str) -> ReconcilerError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return DamagedStore(
            f"The {what} at {path} is damaged: {error}",
            suggestion="It is left as it is. Put back a copy from a backup, then run the command again.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return HostError(
            f"The {what} at {path} was busy for {BUSY_MILLISECONDS // 1000} seconds",
            suggestion="Another process writes to it. Run the command again when it has finished.",
        )
    if name.startswith("SQLITE_FULL"):
        return HostError(
            f"The {what} at {path} cannot be written: no space left on the device",
            suggestion="Free some space and run the command again; nothing that was finished is lost.",
        )
    return HostError(
        f"The {what} at {path} cannot be used: {error}",
        suggestion="Mend what the system reports (space, permissions, the disk) and run the command again.",
    )
