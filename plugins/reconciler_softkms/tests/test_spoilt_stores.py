"""A store or seal that is damaged, cut off, newer, not writable or on a full disk: one error, and nothing lost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, HostError, NewerFormat, OtherShape, ReconcilerError
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.killing import in_child
from reconciler_softkms.tests.sealed import CALLER, Estate, Filled, text_of


def _sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _cut(length: Callable[[int], int]) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, length(path.stat().st_size))


def _put(content: bytes, at: int) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        raw = bytearray(path.read_bytes())
        raw[at : at + len(content)] = content
        path.write_bytes(raw)

    return put


def _overwritten(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    path.rename(path.with_name("else"))
    path.symlink_to("else")


Spoil = Callable[[Path], None]
STORES: dict[str, tuple[Spoil, type[ReconcilerError], str]] = {
    "empty": (_cut(lambda _: 0), DamagedStore, "is damaged: it is empty"),
    "cut off in its head": (_cut(lambda _: 60), DamagedStore, "only 60 bytes long"),
    "cut off after a page": (_cut(lambda _: 4096), DamagedStore, "is damaged|other tables"),
    "cut off in the middle": (_cut(lambda size: size // 2), DamagedStore, "is damaged|other tables"),
    "overwritten": (_overwritten, DamagedStore, "is damaged"),
    "another program's": (_put(b"\0\0\0\1", 68), DamagedStore, "is not a key store of reconciler"),
    "from a newer version": (lambda path: _sql(path, "PRAGMA user_version=99"), NewerFormat, "has format 99"),
    "with tables of another": (lambda path: _sql(path, "CREATE TABLE more (x)"), OtherShape, "has other tables"),
    "a folder": (_folder, DamagedStore, "is not a file"),
    "a link to elsewhere": (_link, HostError, "symbolic links"),
}
CALLS: dict[str, Callable[[SoftKms, str, bytes], object]] = {
    "look": lambda kms, key, sealed: kms.describe_keys(CALLER, [key]),
    "use": lambda kms, key, sealed: kms.decrypt(CALLER, sealed, {}),
    "make": lambda kms, key, sealed: kms.create_key(CALLER, KeyRequest(), token="another"),
    "seal anew": lambda kms, key, sealed: kms.reseal_store(renew=True),
    "back up": lambda kms, key, sealed: kms.back_up_store(kms._door.store.folder / "backup", with_seal_key=False),
}


@pytest.mark.parametrize("how", STORES)
def test_a_spoilt_store_is_one_error_in_every_call_and_left_as_it_is(estate: Estate, how: str) -> None:
    spoil, error, words = STORES[how]
    filled = Filled(estate, "file")
    estate.close()
    path = estate.store / "keys.db"
    good = path.read_bytes()
    spoil(path)
    left = path.read_bytes() if path.is_file() else None
    for call in CALLS.values():
        kms = estate.open()
        with pytest.raises(error, match=words) as refused:
            call(kms, filled.keys[0], filled.new)
        assert refused.value.suggestion
        assert "\n" not in refused.value.summary
        kms.close()
    assert (path.read_bytes() if path.is_file() else None) == left
    assert not (estate.store / "backup").exists()
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(good)
    filled.is_whole(estate.open())


PAGES = ("seal", "materials", "keys")


@pytest.mark.parametrize("table", PAGES)
def test_a_damaged_page_never_becomes_an_answer(estate: Estate, table: str) -> None:
    """Every byte of the page turned over, one after the other: the right answer or an error, never a wrong key."""
    filled = Filled(estate, "file", keys=1)
    estate.close()
    path = estate.store / "keys.db"
    _sql(path, "SELECT 1")
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    good = path.read_bytes()
    errors = 0
    for at in range((page - 1) * 4096, page * 4096, 61):
        _put(bytes([good[at] ^ 0xFF]), at)(path)
        kms = estate.open()
        try:
            assert text_of(kms, filled.new) == b"new"
        except ReconcilerError:
            errors += 1
        kms.close()
        for left in estate.store.iterdir():
            if left.name not in {"keys.db", "seal.key"}:
                left.unlink()
        path.write_bytes(good)
    assert errors > 0
    filled.is_whole(estate.open())


SEALS: dict[str, tuple[str, type[ReconcilerError], str]] = {
    "another kind": ("UPDATE seal SET kind = 'magic'", ReconcilerError, "sealed by magic|'magic'"),
    "another wrapped key": ("UPDATE seal SET wrapped = zeroblob(156)", DamagedStore, "belongs to another key store"),
    "nothing wrapped": ("UPDATE seal SET wrapped = x''", DamagedStore, "belongs to another key store"),
    "another generation": ("UPDATE seal SET generation = 7", DamagedStore, "belongs to another key store"),
    "another id": ("UPDATE seal SET seal_id = zeroblob(16)", DamagedStore, "belongs to another key store"),
    "other parameters": ("UPDATE seal SET parameters = '{\"x\":1}'", DamagedStore, "belongs to another key store"),
}


@pytest.mark.parametrize("how", SEALS)
def test_a_seal_that_was_changed_in_the_store_opens_nothing(estate: Estate, how: str) -> None:
    statement, error, words = SEALS[how]
    filled = Filled(estate, "file")
    estate.close()
    path = estate.store / "keys.db"
    good = path.read_bytes()
    _sql(path, statement)
    kms = estate.open()
    for name in ("use", "make"):
        with pytest.raises(error, match=words):
            CALLS[name](kms, filled.keys[0], filled.new)
    with pytest.raises(ReconcilerError):
        kms.reseal_store(renew=True)
    kms.close()
    path.write_bytes(good)
    filled.is_whole(estate.open())


def test_a_store_on_a_read_only_disk_is_read_and_says_what_it_cannot(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = Filled(estate, "file")
    estate.close()
    before = {path.name: path.read_bytes() for path in estate.store.iterdir()}
    monkeypatch.setattr(os, "access", lambda *_: False)
    kms = estate.open()
    assert kms.describe_keys(CALLER, filled.keys).keys() == set(filled.keys)
    assert kms.describe_store() is not None
    for name in ("make", "seal anew", "back up"):
        with pytest.raises(HostError) as refused:
            CALLS[name](kms, filled.keys[0], filled.new)
        assert refused.value.suggestion
    kms.close()
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in estate.store.iterdir()} == before


@pytest.mark.parametrize("name", ["make", "seal anew", "back up"])
def test_a_full_disk_is_one_error_and_what_was_there_is_whole(quick_path: Path, name: str) -> None:
    """A file may not grow beyond what it is: what the system says of a full disk, at whichever write it comes."""
    first = Estate(quick_path / "first")
    first.folder.mkdir()
    filled = Filled(first, "file", keys=8)
    first.close()
    size = (first.store / "keys.db").stat().st_size
    outcomes = set[str]()
    for limit in (100, 4_000, 20_000, size - 1, size, size + 20_000, size * 50):
        place = quick_path / str(limit)
        shutil.copytree(first.folder, place)
        estate = Estate(place, first.clock)
        outcomes.add(_limited(estate, limit, lambda kms: CALLS[name](kms, filled.keys[0], filled.new)))
        filled.is_whole(estate.open())
        assert estate.open().check_store().problems == ()
        estate.close()
    assert outcomes == {"done", "refused"}


def _limited(estate: Estate, limit: int, call: Callable[[SoftKms], object]) -> str:
    """How it ends in a process whose files may not be larger."""

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            call(estate.open())
        except HostError as error:
            os._exit(3 if error.suggestion else 4)

    return {0: "done", 3: "refused"}.get(in_child(work), "crashed")
