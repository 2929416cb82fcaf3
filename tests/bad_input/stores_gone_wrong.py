"""Worlds whose state, seal or key store is not what it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.state.seal import open_seal
from reconciler.state.sqlite_store import SqliteState
from tests.bad_input.place import Place


def locked(place: Place) -> None:
    """Somebody is applying."""
    held = SqliteState(place.state, seal=open_seal(OsFs(), place.home), clock=SystemClock(), random=SystemRandom())
    held.acquire("apply --auto-approve", timeout=0)
    place.undo.callback(held.close)
    place.undo.callback(held.release)


def state_cut(place: Place) -> None:
    """The state lost its second half."""
    content = place.state.read_bytes()
    place.state.write_bytes(content[: len(content) // 2])


def state_scrambled(place: Place) -> None:
    """Bytes in the middle of the state changed."""
    content = bytearray(place.state.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    place.state.write_bytes(bytes(content))


def state_empty(place: Place) -> None:
    """Something truncated the state to nothing."""
    place.state.write_bytes(b"")


def state_is_text(place: Place) -> None:
    """A text lies where the state is."""
    place.state.parent.mkdir(exist_ok=True)
    place.state.write_text("lineage: 1\n" * 40)


def state_is_foreign(place: Place) -> None:
    """Another program's database lies where the state is."""
    place.state.unlink(missing_ok=True)
    place.state.parent.mkdir(exist_ok=True)
    _change(place.state, "CREATE TABLE theirs (a)")


def state_is_newer(place: Place) -> None:
    """A newer version wrote the state."""
    _change(place.state, "PRAGMA user_version=99")


def state_row_damaged(place: Place) -> None:
    """What the state records of one resource is no longer what was written."""
    _change(place.state, "UPDATE resource SET attributes = '{\"id\": ' WHERE address = 'Key/orders'")


def state_is_a_folder(place: Place) -> None:
    """A folder lies where the state is."""
    place.state.mkdir(parents=True)


def home_is_a_file(place: Place) -> None:
    """A file lies where the home is."""
    place.home.rmdir()
    place.home.write_text("not a folder\n")


def seal_missing(place: Place) -> None:
    """The project's seal was lost."""
    (place.home / "seal.key").unlink()


def seal_damaged(place: Place) -> None:
    """The project's seal was cut."""
    seal = place.home / "seal.key"
    seal.write_bytes(seal.read_bytes()[:20])


def seal_open_to_all(place: Place) -> None:
    """Everybody may read the project's seal."""
    (place.home / "seal.key").chmod(0o644)


def key_store_cut(place: Place) -> None:
    """The key store lost its second half."""
    store = place.key_store / "keys.db"
    content = store.read_bytes()
    store.write_bytes(content[: len(content) // 2])


def key_store_missing(place: Place) -> None:
    """The key store was lost, its seal key not."""
    (place.key_store / "keys.db").unlink()


def key_store_newer(place: Place) -> None:
    """A newer version wrote the key store."""
    _change(place.key_store / "keys.db", "PRAGMA user_version=99")


def seal_key_missing(place: Place) -> None:
    """The seal key of the key store was lost."""
    (place.key_store / "seal.key").unlink()


def seal_key_damaged(place: Place) -> None:
    """One byte of the seal key changed."""
    path = place.key_store / "seal.key"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(bytes(content))


def key_disabled(place: Place) -> None:
    """Somebody disabled the key behind our back."""
    _change(place.key_store / "keys.db", "UPDATE keys SET state = 'Disabled'")


def data_key_disabled(place: Place) -> None:
    """Somebody disabled the customer's key; the services' own are as they were."""
    _change(place.key_store / "keys.db", "UPDATE keys SET state = 'Disabled' WHERE owner IS NULL")


def key_gone(place: Place) -> None:
    """The key was destroyed behind our back."""
    for table in ("aliases", "grants", "materials", "keys"):
        _change(place.key_store / "keys.db", f"DELETE FROM {table}")  # noqa: S608  # names from the line above


def _change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
