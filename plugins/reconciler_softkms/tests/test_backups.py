"""Backups: whole or refused, never with what opens them unless asked; a restored store repeats nothing (I6)."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import (
    DamagedStore,
    DisabledException,
    HostError,
    NewerFormat,
    NotFoundException,
    OtherShape,
    ReconcilerError,
    SealNotAsDeclared,
    StoreRolledBack,
    UsageError,
    WrongPassphrase,
)
from reconciler.model.ports import Fence
from reconciler.providers.key_store import RestoreRequest
from reconciler.providers.keys import KeyRequest
from reconciler.providers.marks import Mark
from reconciler.providers.secret_source import SecretSource
from reconciler_softkms import blob
from reconciler_softkms.tests.sealed import CALLER, MARK, PASSPHRASE, Estate, Filled, text_of

KINDS = ("file", "passphrase", "key")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "kms.backup"


def lose(estate: Estate, *names: str) -> None:
    """Those files of the store are gone."""
    for name in names or ("keys.db", "seal.key"):
        for path in estate.store.glob(f"{name}*"):
            path.unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_store_comes_back_whole(estate: Estate, target: Path, kind: str) -> None:
    filled = Filled(estate, kind)
    kms = estate.open(kind)
    made = kms.back_up_store(target, with_seal_key=False)
    assert kms.check_backup(target) == made
    assert (made.keys, made.has_seal_key, made.size) == (2, False, target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    kms.close()
    lose(estate, "keys.db")
    again = estate.open(kind)
    done = again.restore_store(RestoreRequest(source=target))
    assert (done.backup, done.kept) == (made, None)
    filled.is_whole(again)
    filled.is_whole(estate.open(kind))
    assert again.check_store().problems == ()
    assert estate.open(kind).reseal_store(renew=True).renewed == 3


def test_a_backup_never_holds_what_opens_it_unless_asked(estate: Estate, target: Path) -> None:
    Filled(estate, "file")
    kms = estate.open()
    key = (estate.store / "seal.key").read_bytes()[24:56]
    kms.back_up_store(target, with_seal_key=False)
    assert key not in target.read_bytes()
    seal = kms._door.store.seal()
    assert bytes(seal.key.expose_key_bytes()) not in target.read_bytes()
    asked = target.with_name("with")
    assert kms.back_up_store(asked, with_seal_key=True).has_seal_key
    assert key in asked.read_bytes()
    with pytest.raises(UsageError, match="something at"):
        kms.back_up_store(target, with_seal_key=False)
    passphrase = estate.open("passphrase", region="us-east-1")
    passphrase.create_key(CALLER, KeyRequest(), token="x")
    with pytest.raises(UsageError, match="no seal key to put into"):
        passphrase.back_up_store(target.with_name("third"), with_seal_key=True)


def test_on_another_machine_the_seal_key_is_in_the_backup_or_named(estate: Estate, target: Path) -> None:
    filled = Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    with_key = target.with_name("with")
    kms.back_up_store(with_key, with_seal_key=True)
    named = target.with_name("kept.key")
    shutil.copy(estate.store / "seal.key", named)
    kms.close()
    for source, seal_key in ((with_key, None), (target, named)):
        lose(estate)
        again = estate.open()
        if source is target:
            with pytest.raises(UsageError, match="neither in it nor at"):
                again.restore_store(RestoreRequest(source=source))
        again.restore_store(RestoreRequest(source=source, seal_key=seal_key))
        filled.is_whole(again)
        again.close()


def test_a_restored_store_is_a_new_epoch_and_repeats_no_salt_or_nonce(estate: Estate, target: Path) -> None:
    """The clone goes on beside the restored one, from the same randomness: no (key, nonce) pair is ever the same."""
    filled = Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    before = bytes(kms._door.store.seal().key.expose_key_bytes())
    clone = estate.folder / "clone"
    kms.close()
    shutil.copytree(estate.home, clone)
    again = estate.open()
    again.restore_store(RestoreRequest(source=target, replace=True, accept_older=True))
    assert bytes(again._door.store.seal().key.expose_key_bytes()) != before, "the store key is another"
    salts = set[bytes]()
    count = 0
    for service in (again, estate.open(home=clone)):
        for _ in range(50):
            ciphertext = service.encrypt(CALLER, filled.keys[0], b"the same", {})
            salts.add(ciphertext[blob.HEADER_BYTES : blob.HEADER_BYTES + 44])
            count += 1
    assert len(salts) == count
    sealed = [
        row for service in (again,) for (row,) in service._door.store.writing().execute("SELECT sealed FROM materials")
    ]
    assert len({one[:44] for one in sealed}) == len(sealed)


def test_a_store_in_place_is_replaced_only_when_asked_and_kept_beside(estate: Estate, target: Path) -> None:
    filled = Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    later = kms.create_key(CALLER, KeyRequest(), token="later")
    request = RestoreRequest(source=target)
    with pytest.raises(UsageError, match="There is a key store at") as refused:
        kms.restore_store(request)
    assert "--replace" in (refused.value.suggestion or "")
    with pytest.raises(StoreRolledBack, match="is older than the key store"):
        kms.restore_store(RestoreRequest(source=target, replace=True))
    assert later.arn in kms.describe_keys(CALLER, [later.arn])
    other = estate.open()
    assert text_of(other, filled.new) == b"new"
    done = kms.restore_store(RestoreRequest(source=target, replace=True, accept_older=True))
    assert done.kept is not None
    assert done.kept.stat().st_mode & 0o777 == 0o600
    for service in (kms, other):
        filled.is_whole(service)
        assert service.describe_keys(CALLER, [later.arn]) == {}
    shutil.copy(done.kept, estate.store / "keys.db.kept")
    names = [event["eventName"] for _, event in other.audit_events()]
    assert "RestoreKeyStore" in names


def test_what_was_known_since_is_not_forgotten(estate: Estate, target: Path) -> None:
    """The mark of the state and the fencing tokens of the store in place stay the highest."""
    Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    higher = Mark(token=9, serial=99, head="x")
    kms.raise_mark("lineage", higher)
    with kms._door.store.transaction() as connection:
        connection.execute("INSERT INTO fence VALUES ('lineage', 9)")
    kms.restore_store(RestoreRequest(source=target, replace=True, accept_older=True))
    assert kms.mark("lineage") == higher
    assert kms._door.store.writing().execute("SELECT * FROM fence").fetchall() == [Fence("lineage", 9)]


@pytest.mark.parametrize(
    ("known", "is_older"),
    [({"lineage": MARK}, False), ({"lineage": Mark(token=3, serial=8, head="h")}, True), ({"other": MARK}, True)],
)
def test_a_store_older_than_the_projects_state_is_refused(
    estate: Estate, target: Path, known: dict[str, Mark], is_older: bool
) -> None:
    Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    kms.close()
    lose(estate, "keys.db")
    again = estate.open()
    if is_older:
        with pytest.raises(StoreRolledBack, match="older than the project's state"):
            again.restore_store(RestoreRequest(source=target, known=known))
        assert not (estate.store / "keys.db").exists()
    again.restore_store(RestoreRequest(source=target, known=known, accept_older=is_older))
    assert len(again.list_keys(CALLER)) == 2


def test_what_was_done_to_keys_since_is_undone_and_their_deletion_dates_hold(estate: Estate, target: Path) -> None:
    filled = Filled(estate, "file")
    kms = estate.open()
    kms.schedule_key_deletion(CALLER, filled.keys[1], waiting_days=7)
    kms.back_up_store(target, with_seal_key=False)
    kms.disable_key(CALLER, filled.keys[0])
    estate.clock.advance(days=8)
    kms.create_key(CALLER, KeyRequest(), token="destroys what is due")
    kms.restore_store(RestoreRequest(source=target, replace=True, accept_older=True))
    assert text_of(kms, filled.new) == b"new", "it was not disabled yet"
    kms.create_key(CALLER, KeyRequest(), token="destroys what is due")
    with pytest.raises((NotFoundException, DisabledException)):
        kms.decrypt(CALLER, filled.old[1], {})


def test_a_damaged_store_makes_way_and_is_kept(estate: Estate, target: Path) -> None:
    filled = Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    kms.close()
    damaged = b"x" * 8192
    (estate.store / "keys.db").write_bytes(damaged)
    again = estate.open()
    with pytest.raises(UsageError, match="which is damaged"):
        again.restore_store(RestoreRequest(source=target))
    done = again.restore_store(RestoreRequest(source=target, replace=True))
    assert done.kept is not None
    assert done.kept.read_bytes() == damaged
    filled.is_whole(again)


def test_a_backup_of_another_place_is_refused(estate: Estate, target: Path) -> None:
    Filled(estate, "file")
    estate.open().back_up_store(target, with_seal_key=True)
    with pytest.raises(UsageError, match="its keys belong there"):
        estate.open(region="us-east-1").restore_store(RestoreRequest(source=target))


def test_from_a_passphrase_that_was_changed_since(estate: Estate, target: Path) -> None:
    filled = Filled(estate, "passphrase")
    kms = estate.open("passphrase")
    kms.back_up_store(target, with_seal_key=False)
    kms.close()
    lose(estate)
    old = SecretSource(file=str(estate.passphrase(name="old")))
    estate.passphrase("another passphrase altogether")
    again = estate.open("passphrase")
    with pytest.raises(WrongPassphrase):
        again.restore_store(RestoreRequest(source=target))
    again.restore_store(RestoreRequest(source=target, passphrase=old))
    filled.is_whole(estate.open("passphrase"))
    by_file = estate.open("file", home=estate.folder / "elsewhere")
    with pytest.raises(SealNotAsDeclared):
        by_file.restore_store(RestoreRequest(source=target))
    by_file.restore_store(RestoreRequest(source=target, passphrase=old))
    filled.is_whole(by_file)
    assert PASSPHRASE.encode() not in target.read_bytes()


def test_nothing_to_back_up(estate: Estate, target: Path) -> None:
    with pytest.raises(NotFoundException):
        estate.open().back_up_store(target, with_seal_key=False)
    assert not estate.home.exists()
    assert not target.exists()


# --- damaged, cut off, newer, changed --------------------------------------------------------------------------------

SPOILT: dict[str, tuple[Callable[[bytes], bytes], type[ReconcilerError], str]] = {
    "empty": (lambda raw: b"", DamagedStore, "is not a backup"),
    "another file": (lambda raw: b"SQLite format 3\0" + raw, DamagedStore, "is not a backup"),
    "newer": (lambda raw: raw[:8] + b"\0\2" + raw[10:], NewerFormat, "has format 2"),
    "only its beginning": (lambda raw: raw[:12], DamagedStore, "is not whole"),
    "half of it": (lambda raw: raw[: len(raw) // 2], DamagedStore, "is not whole"),
    "one byte short": (lambda raw: raw[:-1], DamagedStore, "is not whole"),
    "one byte more": (lambda raw: raw + b"\0", DamagedStore, "is not whole"),
    "a bit of the store": (lambda raw: raw[:-5000] + bytes([raw[-5000] ^ 1]) + raw[-4999:], DamagedStore, "is damaged"),
    "a manifest that is none": (lambda raw: raw.replace(b'"account"', b'"Account"'), DamagedStore, "cannot be read"),
    "a length without end": (lambda raw: raw[:10] + b"\xff" * 4 + raw[14:], DamagedStore, "is not whole"),
    "a manifest changed": (lambda raw: raw.replace(b'"keys": 2', b'"keys": 3'), DamagedStore, "not what was written"),
    "an older position": (lambda raw: raw.replace(b'"position": ', b'"position":9'), DamagedStore, "not what was"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_backup_is_one_error_and_changes_nothing(estate: Estate, target: Path, how: str) -> None:
    spoiling, error, words = SPOILT[how]
    filled = Filled(estate, "file")
    kms = estate.open()
    kms.back_up_store(target, with_seal_key=False)
    good = target.read_bytes()
    target.write_bytes(spoiling(good))
    assert target.read_bytes() != good
    with pytest.raises(error, match=words) as refused:
        kms.restore_store(RestoreRequest(source=target, replace=True, accept_older=True))
    assert refused.value.suggestion
    filled.is_whole(kms)
    assert not list(estate.store.glob("*before-restore*"))


def test_a_backup_whose_store_is_a_newer_versions_is_refused(estate: Estate, target: Path) -> None:
    Filled(estate, "file")
    kms = estate.open()
    with kms._door.store.transaction() as connection:
        connection.execute("CREATE TABLE of_the_future (x)")
    kms.close()
    with pytest.raises(OtherShape):
        estate.open().back_up_store(target, with_seal_key=False)


def test_a_full_disk_stops_a_backup_with_one_error(
    estate: Estate, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = Filled(estate, "file")
    kms = estate.open()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kms._door.store.fs, "write", full)
    with pytest.raises(HostError, match="No space left"):
        kms.back_up_store(target, with_seal_key=False)
    monkeypatch.undo()
    assert not target.exists()
    filled.is_whole(kms)
    assert kms.back_up_store(target, with_seal_key=False)
