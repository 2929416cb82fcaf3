"""A re-seal: the old seal or the new one, never neither; what was sealed, proved or handed out before stays good."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import is_sealed_under, seal_key
from reconciler.errors import (
    DamagedStore,
    HostError,
    NotFoundException,
    ReconcilerError,
    SealNotAsDeclared,
    WrongPassphrase,
)
from reconciler.host.os_fs import OsFs
from reconciler.providers.keys import KeyRequest
from reconciler.providers.secret_source import SecretSource
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.fault import Moment
from reconciler_softkms.renewal import under_key
from reconciler_softkms.tests.killing import DyingFs, killed_at
from reconciler_softkms.tests.sealed import CALLER, PASSPHRASE, Estate, Filled, text_of

KINDS = ("file", "passphrase", "key")


@pytest.mark.parametrize("renew", [False, True])
@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_from_any_seal_to_any_other(estate: Estate, before: str, after: str, renew: bool) -> None:
    filled = Filled(estate, before)
    kms = estate.open(after)
    old = {path.name: path.read_bytes() for path in estate.store.glob("seal.key*")}
    spare = SecretSource(file=str(estate.passphrase())) if before == "passphrase" else None
    done = kms.reseal_store(renew=renew, old_passphrase=spare)
    assert (done.changed, done.renewed) == (renew or before != after or before == "passphrase", 3 if renew else 0)
    filled.is_whole(kms)
    kms.close()
    filled.is_whole(estate.open(after))
    files = {path.name: path.read_bytes() for path in estate.store.glob("seal.key*")}
    assert set(files) == ({"seal.key"} if after == "file" else set())
    assert (files == old) == (not done.changed or before == after != "file" or not (old or files))
    again = estate.open(after)
    assert again.reseal_store(renew=False).changed is False, "sealed as declared: nothing to do"


def test_what_the_old_key_sealed_is_not_there_any_more(estate: Estate) -> None:
    Filled(estate, "file")
    kms = estate.open()
    old = DataKey(kms._door.store.seal().key.expose_key_bytes())
    connection = kms._door.store.writing()
    assert under_key(connection, old) == ["materials.sealed"]
    blobs = [sealed for (sealed,) in connection.execute("SELECT sealed FROM materials")]
    wrapped = connection.execute("SELECT wrapped FROM seal").fetchone()[0]
    seal_file = (estate.store / "seal.key").read_bytes()
    kms.reseal_store(renew=True)
    assert under_key(connection, old) == []
    for path in estate.store.iterdir():
        content = path.read_bytes()
        for gone in (*blobs, wrapped, seal_file[24:56]):
            assert gone not in content, f"{path}: a re-seal leaves nothing of the old one, in the log neither"


def test_material_on_its_way_in_arrives_after_a_renewal(estate: Estate) -> None:
    kms = estate.open()
    key = kms.create_key(CALLER, KeyRequest(origin="EXTERNAL"), token="imported").arn
    asked = kms.get_parameters_for_import(
        CALLER, key, wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"
    )
    kms.reseal_store(renew=True)
    public = serialization.load_der_public_key(asked.public_key)
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    kms.import_key_material(
        CALLER, key, import_token=asked.import_token, encrypted_material=public.encrypt(bytes(range(32)), oaep)
    )
    assert text_of(estate.open(), kms.encrypt(CALLER, key, b"x", {})) == b"x"


def test_something_that_nobody_renews_is_never_left_under_a_forgotten_key(estate: Estate) -> None:
    filled = Filled(estate, "file")
    kms = estate.open()
    store = kms._door.store
    stray = seal_key(store.seal().key, DataKey(b"x" * 32), b"aad", SeededRandom())
    with store.transaction() as connection:
        connection.execute("UPDATE mark SET mac = ?", (stray,))
    with pytest.raises(DamagedStore, match=r"in mark\.mac: it would be lost"):
        kms.reseal_store(renew=True)
    assert is_sealed_under(store.seal().key, stray)
    assert text_of(kms, filled.new) == b"new"


def test_damaged_material_stops_a_renewal_and_nothing_is_changed(estate: Estate) -> None:
    filled = Filled(estate, "file")
    kms = estate.open()
    with kms._door.store.transaction() as connection:
        connection.execute("UPDATE materials SET sealed = zeroblob(124) WHERE key_id = ?", (filled.keys[1][-36:],))
    with pytest.raises(DamagedStore, match="does not open under the store key"):
        kms.reseal_store(renew=True)
    assert text_of(kms, filled.new) == b"new"
    assert text_of(estate.open(), filled.old[0]) == b"old"


def test_other_processes_notice(estate: Estate) -> None:
    """One that has the store open goes on: it reads what is there, and seals new material under the new key."""
    filled = Filled(estate, "file")
    one, other = estate.open(), estate.open()
    fresh = other.create_key(CALLER, KeyRequest(), token="opened before")
    one.reseal_store(renew=True)
    filled.is_whole(other)
    rotated = other.rotate_key(CALLER, fresh.arn, token="after")
    made = other.create_key(CALLER, KeyRequest(), token="made after").arn
    assert rotated
    last = estate.open()
    assert text_of(last, other.encrypt(CALLER, made, b"y", {})) == b"y"
    assert text_of(last, other.encrypt(CALLER, fresh.arn, b"y", {})) == b"y"
    assert last.check_store().problems == ()


def test_a_process_whose_manifest_says_the_old_seal_stops_at_its_next_change(estate: Estate) -> None:
    filled = Filled(estate, "file")
    old = estate.open()
    assert text_of(old, filled.old[0]) == b"old"
    estate.open("passphrase").reseal_store(renew=True)
    with pytest.raises(SealNotAsDeclared):
        old.create_key(CALLER, KeyRequest(), token="another")
    with pytest.raises(SealNotAsDeclared):
        estate.open().encrypt(CALLER, filled.keys[0], b"x", {})


def test_a_passphrase_is_changed_by_handing_over_the_one_before(estate: Estate) -> None:
    filled = Filled(estate, "passphrase")
    before = SecretSource(file=str(estate.passphrase(name="before")))
    wrong = SecretSource(file=str(estate.passphrase("not the one before", name="wrong")))
    estate.passphrase("another passphrase altogether")
    kms = estate.open("passphrase")
    with pytest.raises(WrongPassphrase):
        kms.reseal_store(renew=False)
    with pytest.raises(WrongPassphrase):
        kms.reseal_store(renew=False, old_passphrase=wrong)
    assert kms.reseal_store(renew=False, old_passphrase=before).changed
    filled.is_whole(kms)
    estate.passphrase(PASSPHRASE)
    with pytest.raises(WrongPassphrase):
        text_of(estate.open("passphrase"), filled.new)


def test_away_from_a_passphrase_only_who_knows_it(estate: Estate) -> None:
    filled = Filled(estate, "passphrase")
    kms = estate.open("file")
    with pytest.raises(SealNotAsDeclared, match="must be known"):
        kms.reseal_store(renew=False)
    kms.reseal_store(renew=False, old_passphrase=SecretSource(file=str(estate.passphrase())))
    filled.is_whole(kms)


def test_a_store_that_is_not_there_is_not_sealed(estate: Estate) -> None:
    with pytest.raises(NotFoundException, match="no sealed key store"):
        estate.open().reseal_store(renew=True)
    assert not estate.home.exists()


def test_a_file_that_is_neither_seal_is_left_alone(estate: Estate) -> None:
    Filled(estate, "passphrase")
    stranger = estate.store / "seal.key"
    stranger.write_bytes(b"somebody else's")
    kms = estate.open("passphrase")
    kms.reseal_store(renew=True)
    assert stranger.read_bytes() == b"somebody else's"


# --- killed, failing: the old seal or the new one --------------------------------------------------------------------


WAYS = {"file to file": ("file", "file"), "file to key": ("file", "key"), "key to file": ("key", "file")}


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_any_point_it_is_under_one_seal_and_the_same_command_ends_it(quick_path: Path, way: str) -> None:
    before, after = WAYS[way]
    first = quick_path / "first"
    first.mkdir()
    template = Estate(first, ManualClock())
    filled = Filled(template, before)
    template.close()
    at, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        at += 1 if (before, after) == ("file", "file") else 2  # every second, where two stores are at work
        place = quick_path / str(at)
        shutil.copytree(first, place)
        estate = _moved(template, place)
        status = killed_at(at, lambda dies: estate.open(after, fs=DyingFs(dies)).reseal_store(renew=True))  # noqa: B023 - run at once
        under = _kind(estate)
        assert under in (before, after)
        filled.is_whole(estate.open(under))
        finishing = estate.open(after)
        finishing.reseal_store(renew=False)
        filled.is_whole(finishing)
        finishing.reseal_store(renew=True)
        filled.is_whole(finishing)
        estate.close()
        assert {path.name for path in estate.store.glob("*seal*")} == ({"seal.key"} if after == "file" else set())
        shutil.rmtree(place)
    assert status == 0
    assert at > 15


def _moved(estate: Estate, place: Path) -> Estate:
    moved = Estate(place, ManualClock(estate.clock.now()))
    moved.root_key = estate.root_key
    return moved


def _kind(estate: Estate) -> str:
    with sqlite3.connect(estate.store / "keys.db") as connection:
        (kind,) = connection.execute("SELECT kind FROM seal").fetchone()
    connection.close()
    return str(kind)


@pytest.mark.parametrize("moment", Moment)
def test_a_disk_that_fails_leaves_it_under_one_seal(quick_path: Path, moment: Moment) -> None:
    import errno

    first = quick_path / "first"
    first.mkdir()
    template = Estate(first)
    filled = Filled(template, "file")
    template.close()
    at, struck = 0, True
    while struck:
        place = quick_path / f"{moment}-{at}"
        shutil.copytree(first, place)
        estate = _moved(template, place)
        fault = disk_fault(errno.ENOSPC, at=at, moment=moment)
        kms = estate.open(fs=FailingFs(OsFs(), fault))
        try:
            kms.reseal_store(renew=True)
        except ReconcilerError as error:
            assert isinstance(error, HostError), error
        struck = fault.struck
        estate.close()
        filled.is_whole(estate.open())
        again = estate.open()
        again.reseal_store(renew=True)
        filled.is_whole(again)
        estate.close()
        shutil.rmtree(place)
        at += 1
    assert at > 4
