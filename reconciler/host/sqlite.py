"""SQLite as every store of ours opens it: state, key store, key ring, catalogue, audit (DESIGN 2).

WAL and synchronous=FULL, so a commit that returned survives a power loss; 0600 inside a 0700 folder; a format number
that refuses what a newer version wrote, and the tables themselves compared with those that this version makes. Several
processes and threads may have the same file open.

A store appears whole or not at all: it is made under another name, synced, and renamed, by one process at a time (a
lock on the folder). So an empty or half-made file is damage, never a store about to be filled; and no descriptor of a
live store is ever closed behind SQLite's back, which would drop the locks of the whole process (POSIX).
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from reconciler.errors import DamagedStore, HostError, NewerFormat, OtherShape, ReconcilerError

BUSY_MILLISECONDS = 30_000
_HEADER_BYTES = 100


class _Connection(sqlite3.Connection):
    """A connection that knows what it is called in messages."""

    store_path: Path
    store_name: str


def connect(path: Path, *, what: str, schema: str, format_number: int, application_id: int) -> sqlite3.Connection:
    """The store at ``path``, made with ``schema`` when absent.

    ``what`` names it in messages ("state", "key store"). The connection is in autocommit mode (use ``transaction``)
    and may be passed between threads by a caller that serialises its use. DamagedStore, NewerFormat, OtherShape,
    HostError; what is not a store of ours is not touched.
    """
    with translated(path, what):
        _make_folder(path.parent)
        if not os.path.lexists(path):
            _make(path, schema, format_number, application_id)
        _refuse_non_files(path, what)
        _refuse_read_only(path)
        connection = _open(path, what, "?mode=rw")
        try:
            # Before the first change of any kind: a stranger's database must not even be put in WAL mode.
            _check(connection, path, what, schema=schema, format_number=format_number, application_id=application_id)
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            if mode != "wal":
                raise HostError(
                    f"The {what} at {path} is on a file system where SQLite cannot keep a write-ahead log",
                    suggestion="Choose a local file system (home, state.path in reconciler.yaml).",
                )
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA secure_delete=ON")
        except BaseException:
            connection.close()
            raise
        return connection


def connect_read_only(
    path: Path, *, what: str, schema: str, format_number: int, application_id: int
) -> sqlite3.Connection | None:
    """The store for reading only, None when there is none: plan and drift work on a read-only home (DESIGN 4).

    Where the folder can be written SQLite may put its log beside the store; nothing else is made, changed or upgraded.
    """
    with translated(path, what):
        if not os.path.lexists(path):
            return None
        _refuse_non_files(path, what)
        connection = _open(path, what, "?immutable=1" if _is_immutable(path) else "?mode=ro")
        try:
            _check(connection, path, what, schema=schema, format_number=format_number, application_id=application_id)
            connection.execute("PRAGMA query_only=ON")
        except BaseException:
            connection.close()
            raise
        return connection


def which_file(path: Path) -> tuple[int, int] | None:
    """What tells the file that ``path`` names now from any other; None when it names none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def copy_store(path: Path, target: Path, what: str) -> None:
    """A copy of the store as it is now, log included, at ``target`` (0600), which must be a new name. HostError."""
    with translated(path, what):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(target, flags, 0o600))
        source = _open(path, what, "?mode=ro")
        try:
            kept = sqlite3.connect(target.resolve().as_uri() + "?mode=rw", uri=True, isolation_level=None)
            try:
                source.backup(kept)
            finally:
                kept.close()
        finally:
            source.close()
        _sync_folder(target.parent)


def overwrite_store(source: Path, connection: sqlite3.Connection, what: str) -> None:
    """Give the store that ``connection`` writes to the content of the one at ``source``, in one transaction: whoever
    has it open sees one or the other, and a process that dies meanwhile has changed nothing. HostError."""
    with translated(source, what):
        kept = _open(source, what, "?mode=ro")
        try:
            kept.backup(connection)
        finally:
            kept.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One immediate transaction: the write lock first, then all or nothing (I14).

    An error inside or of the commit itself (a full disk shows there) rolls everything back and leaves the connection
    usable. SQLite's errors come out as ours, except IntegrityError, which belongs to the caller.
    """
    with _translated_for(connection):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # the first error is the one to report
                    connection.execute("ROLLBACK")
            raise


@contextmanager
def translated(path: Path, what: str) -> Iterator[None]:
    """SQLite's and the system's errors as ours: damaged, locked, full disk, permission. A wrong use of SQLite and a
    broken constraint are the program's own and stay as they are."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        raise _explain(error, path, what) from error
    except UnicodeDecodeError as error:  # of a damaged name in the file, or in SQLite's message about it
        raise _damaged(path, what, "it holds text that is none") from error
    except OSError as error:
        raise explain_os_error(error, path, what) from error


def explain_os_error(error: OSError, path: Path, what: str) -> HostError:
    """A failed system call in words, with the way out."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    space = "Free some space and run the command again; nothing that was finished is lost."
    place = "choose another place (home, state.path in reconciler.yaml)."
    advice: dict[int | None, str] = {
        errno.ENOSPC: space,
        errno.EDQUOT: space,
        errno.EACCES: f"Give this user access to it, or {place}",
        errno.EPERM: f"Give this user access to it, or {place}",
        errno.EROFS: f"The file system is read-only: {place}",
        errno.ENOTDIR: f"A part of that path is a file, not a folder: move it away, or {place}",
        errno.EEXIST: f"A part of that path is a file, not a folder: move it away, or {place}",
        errno.ELOOP: f"Symbolic links are not followed here: {place}",
    }
    return HostError(
        f"The {what} at {path} cannot be used: {reason}",
        suggestion=advice.get(error.errno, "Mend what the system reports and run the command again."),
    )


def _make_folder(folder: Path) -> None:
    """The folder and its parents, each 0700 and durable: a store is lost with the folder that a power loss takes."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process was first
            os.mkdir(folder, 0o700)
        _sync_folder(folder.parent)


def _make(path: Path, schema: str, format_number: int, application_id: int) -> None:
    """A new store, whole, unless another process or thread makes it first."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # The lock goes with the descriptor, so a killed maker holds nobody up; its leavings are removed here.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(path):
            return
        making = path.with_name(f".{path.name}.making")
        _remove_made(making)
        try:
            _fill(making, schema, format_number, application_id)
            os.rename(making, path)
        except BaseException:
            with suppress(OSError):
                _remove_made(making)
            raise
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(making: Path, schema: str, format_number: int, application_id: int) -> None:
    # SQLite would create it under the umask; a store is never readable by others, not even for a moment.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(making, flags, 0o600))
    connection = sqlite3.connect(making.resolve().as_uri() + "?mode=rw", uri=True, isolation_level=None)
    try:
        # Nobody sees this file before it is synced below, so SQLite's own syncs would be wasted.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("BEGIN")
        for statement in _statements(schema):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={application_id}")
        connection.execute(f"PRAGMA user_version={format_number}")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
    descriptor = os.open(making, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_made(making: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        making.with_name(making.name + suffix).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path, what: str, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path.resolve().as_uri() + options,
        uri=True,
        isolation_level=None,
        timeout=BUSY_MILLISECONDS / 1000,
        check_same_thread=False,
        factory=_Connection,
    )
    connection.store_path = path
    connection.store_name = what
    return connection


def _is_immutable(path: Path) -> bool:
    """Whether nobody can be writing the store: its folder cannot be written and no log lies beside it.

    A WAL store in such a folder opens in no other way, since SQLite could not make its shared memory. A log with
    something in it must be read, so that store is opened as usual, which SQLite may then refuse.
    """
    log = path.with_name(path.name + "-wal")
    return not os.access(path.parent, os.W_OK) and (not log.exists() or log.stat().st_size == 0)


def _refuse_non_files(path: Path, what: str) -> None:
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not path.is_file():
        raise DamagedStore(
            f"What is at {path} is not a file, so it is no {what} of reconciler",
            suggestion="It is left as it is. Name another path, or move it away.",
        )
    size = path.stat().st_size
    if size < _HEADER_BYTES:
        raise DamagedStore(
            f"The {what} at {path} is damaged: it is {f'only {size} bytes long' if size else 'empty'}",
            suggestion="It was truncated, or something else made that file. It is left as it is: put back a copy from "
            "a backup, or remove it if it never held anything.",
        )


def _refuse_read_only(path: Path) -> None:
    """SQLite would silently open it for reading only, and fail later at the first change."""
    for place in (path.parent, path):
        if not os.access(place, os.W_OK):
            is_read_only = os.statvfs(place).f_flag & os.ST_RDONLY
            number = errno.EROFS if is_read_only else errno.EACCES
            raise OSError(number, os.strerror(number))


def _check(
    connection: sqlite3.Connection, path: Path, what: str, *, schema: str, format_number: int, application_id: int
) -> None:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if found != application_id or version == 0:
        raise DamagedStore(
            f"The file {path} is not a {what} of reconciler",
            suggestion="It is left as it is. Name another path, or move that file away.",
        )
    if version > format_number:
        raise NewerFormat(
            f"The {what} at {path} has format {version}; this version of reconciler knows up to {format_number}",
            suggestion="Use the version of reconciler that wrote it, or a newer one. The file was not touched.",
        )
    kept = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    if {_collapsed(sql) for (sql,) in kept} != _declared(schema):
        raise OtherShape(
            f"The {what} at {path} has other tables than this version of reconciler makes (format {version})",
            suggestion="Another version made it, or it was changed outside. The file was not touched: use the version "
            "that made it, or move the folder that it is in away and begin anew.",
        )


@lru_cache(maxsize=32)
def _declared(schema: str) -> frozenset[str]:
    """What SQLite keeps of a schema: its CREATE statements, which it writes down as they were given."""
    return frozenset(sql for one in _statements(schema) if (sql := _collapsed(_bare(one))).startswith("CREATE "))


@lru_cache(maxsize=1024)
def _collapsed(sql: str) -> str:
    return " ".join(sql.rstrip("; \n\t").split())


def _bare(statement: str) -> str:
    statement = statement.lstrip()
    while statement.startswith("--"):
        statement = statement.partition("\n")[2].lstrip()
    return statement


def _statements(schema: str) -> Iterator[str]:
    """The schema's statements; a semicolon in a text, a comment or a trigger's body does not end one."""
    statement = ""
    for part in schema.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n\t;"):
                yield statement
            statement = ""
    if statement.strip(" \n\t;"):
        yield statement


@contextmanager
def _translated_for(connection: sqlite3.Connection) -> Iterator[None]:
    if isinstance(connection, _Connection):
        with translated(connection.store_path, connection.store_name):
            yield
    else:
        yield


def _explain(error: sqlite3.DatabaseError, path: Path, what: str) -> ReconcilerError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or "decode to UTF-8" in str(error):
        return _damaged(path, what, str(error))
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
    if name.startswith("SQLITE_READONLY"):
        return HostError(
            f"The {what} at {path} cannot be written: it or its folder is read-only",
            suggestion="Give this user write access to both, or choose another place (home, state.path in "
            "reconciler.yaml).",
        )
    return HostError(
        f"The {what} at {path} cannot be used: {error}",
        suggestion="Mend what the system reports (space, permissions, the disk) and run the command again.",
    )


def _damaged(path: Path, what: str, how: str) -> DamagedStore:
    return DamagedStore(
        f"The {what} at {path} is damaged: {how}",
        suggestion="It is left as it is. Put back a copy from a backup, then run the command again.",
    )
