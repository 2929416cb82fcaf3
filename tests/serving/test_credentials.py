"""Access keys: sealed at home, shown once, gone at once when revoked, and never in what is printed or logged."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, UsageError
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.serving.credentials import (
    Credential,
    DeclaredCredentials,
    checked_principal,
    is_access_key_id,
    made_credential,
)
from reconciler.serving.kept_credentials import KeptCredentials
from reconciler.testing.fakes import SeededRandom, fixed_seal
from tests.serving.signing import ADMIN, NOW, credential

APP = "arn:aws:iam::111122223333:role/app"


def kept(home: Path, seal: int = 0) -> KeptCredentials:
    return KeptCredentials(OsFs(), SystemRandom(), home, fixed_seal(seal))


def fresh(principal: str = APP, *, is_administrator: bool = False) -> Credential:
    return made_credential(
        SystemRandom().bytes, principal, NOW, tags={"team": "orders"}, is_administrator=is_administrator
    )


def test_what_is_kept_is_found_whole_by_every_process(tmp_path: Path) -> None:
    lasting = fresh()
    temporary = made_credential(SystemRandom().bytes, APP, NOW, expires=NOW + timedelta(hours=8))
    for each in (lasting, temporary):
        kept(tmp_path).keep(each)
        found = kept(tmp_path).find(each.access_key_id)
        assert found == each
        assert found is not None
        assert (found.secret, found.token) == (each.secret, each.token)


def test_access_keys_look_as_the_public_ones_do(tmp_path: Path) -> None:
    lasting = fresh()
    temporary = made_credential(SystemRandom().bytes, APP, NOW, expires=NOW + timedelta(hours=8))
    assert lasting.access_key_id.startswith("AKIA") and temporary.access_key_id.startswith("ASIA")
    assert (len(lasting.access_key_id), len(lasting.secret), lasting.token) == (20, 40, None)
    assert temporary.token


def test_the_file_is_private_and_holds_neither_secret_nor_principal_in_clear(tmp_path: Path) -> None:
    made = fresh()
    kept(tmp_path).keep(made)
    path = tmp_path / "credentials" / made.access_key_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    raw = path.read_bytes()
    assert made.secret.encode() not in raw
    assert b"role/app" not in raw


def test_a_revoked_one_is_gone_at_once_in_a_process_that_has_used_it(tmp_path: Path) -> None:
    made, other = fresh(), fresh()
    here, there = kept(tmp_path), kept(tmp_path)
    for each in (made, other):
        here.keep(each)
        assert there.find(each.access_key_id)
    here.revoke(made.access_key_id)
    assert there.find(made.access_key_id) is None
    assert there.find(other.access_key_id) == other
    with pytest.raises(UsageError, match="no access key"):
        there.revoke(made.access_key_id)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "AKIA\x00", "x" * 200, "AKIÄ", "abc"])
def test_what_is_no_access_key_id_names_no_file(name: str, tmp_path: Path) -> None:
    assert not is_access_key_id(name)
    assert kept(tmp_path).find(name) is None
    with pytest.raises(UsageError):
        kept(tmp_path).revoke(name)


def damage(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place % len(raw)] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)


def test_a_flipped_bit_anywhere_is_damage_and_never_another_principal(tmp_path: Path) -> None:
    made = fresh()
    kept(tmp_path).keep(made)
    path = tmp_path / "credentials" / made.access_key_id
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        damage(path, place)
        with pytest.raises(DamagedStore):
            kept(tmp_path).find(made.access_key_id)
        path.write_bytes(whole)
    path.write_bytes(whole[:40])
    with pytest.raises(DamagedStore):
        kept(tmp_path).find(made.access_key_id)


def test_a_copy_under_another_name_or_another_seal_does_not_open(tmp_path: Path) -> None:
    made = fresh()
    kept(tmp_path).keep(made)
    path = tmp_path / "credentials" / made.access_key_id
    copy = path.with_name("AKIACOPY")
    copy.write_bytes(path.read_bytes())
    with pytest.raises(DamagedStore, match="another project seal"):
        kept(tmp_path).find("AKIACOPY")
    with pytest.raises(DamagedStore):
        kept(tmp_path, seal=1).find(made.access_key_id)
    copy.unlink()


def test_a_list_shows_all_and_the_reason_for_what_does_not_open(tmp_path: Path) -> None:
    good, bad = fresh(is_administrator=True), fresh()
    for each in (good, bad):
        kept(tmp_path).keep(each)
    damage(tmp_path / "credentials" / bad.access_key_id, 50)
    found = list(kept(tmp_path).listed())
    assert [each for each in found if isinstance(each, Credential)] == [good]
    assert sum(isinstance(each, DamagedStore) for each in found) == 1
    assert kept(tmp_path).administrators("111122223333") == {APP}
    assert kept(tmp_path).administrators("444455556666") == frozenset()


def test_neither_secret_nor_token_nor_signing_key_is_shown() -> None:
    made = made_credential(SeededRandom().bytes, APP, NOW, expires=NOW)
    assert made.token
    for text in (repr(made), str(made), repr([made]), repr(DeclaredCredentials([made]).all)):
        assert made.secret not in text
        assert made.token not in text


@pytest.mark.parametrize(
    ("arn", "is_one"),
    [
        ("arn:aws:iam::111122223333:root", True),
        ("arn:aws:iam::111122223333:user/team/a.b@c", True),
        ("arn:aws:iam::111122223333:role/app", True),
        ("arn:aws:sts::111122223333:assumed-role/app/session", True),
        ("arn:aws:iam::111122223333:user/*", False),
        ("arn:aws:iam::1111:user/a", False),
        ("arn:aws:kms:eu-west-1:111122223333:key/x", False),
        ("arn:aws:iam::111122223333:role/app\nx", False),
        ("cassandra.amazonaws.com", False),
        ("*", False),
        ("", False),
    ],
)
def test_only_who_can_sign_has_an_access_key(arn: str, is_one: bool) -> None:
    if is_one:
        assert checked_principal(arn) == arn
    else:
        with pytest.raises(UsageError):
            checked_principal(arn)


def test_the_first_declared_of_each_account_administers_it_unless_another_is_named() -> None:
    elsewhere = "arn:aws:iam::444455556666:user/b"
    first = [credential("aaaa"), credential("bbbb", APP), credential("cccc", elsewhere)]
    found = DeclaredCredentials(first)
    assert found.administrators("111122223333") == {ADMIN}
    assert found.administrators("444455556666") == {elsewhere}
    named = DeclaredCredentials([first[0], replace(first[1], is_administrator=True), first[2]])
    assert named.administrators("111122223333") == {APP}
    assert named.administrators("444455556666") == {elsewhere}
