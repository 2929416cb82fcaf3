"""Sealed by a file, a passphrase or another service's key: each opens what it sealed, and nothing else does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.errors import (
    DamagedStore,
    HostError,
    InvalidManifests,
    MissingCapability,
    NotFoundException,
    ProviderUnavailable,
    ReconcilerError,
    SealNotAsDeclared,
    UsageError,
    WrongPassphrase,
)
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.providers.secret_source import SecretSource, read_secret
from reconciler_softkms.sealing.passphrase import PassphraseSeal
from reconciler_softkms.tests.sealed import CALLER, PASSPHRASE, ROOT_REGION, Estate, text_of

KINDS = ("file", "passphrase", "key")


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_process_seals_the_next_opens(estate: Estate, kind: str) -> None:
    first = estate.open(kind)
    key = first.create_key(CALLER, KeyRequest(), token="one")
    sealed = first.encrypt(CALLER, key.arn, b"text", {})
    first.close()
    estate.unwrapped = 0
    second = estate.open(kind)
    for _ in range(3):
        assert text_of(second, sealed) == b"text"
    assert estate.unwrapped == (1 if kind == "key" else 0), "asked once at opening, and at no request"
    found = second._door.store.writing().execute("SELECT kind, parameters FROM seal").fetchone()
    assert found[0] == kind
    assert (estate.store / "seal.key").exists() == (kind == "file")


def test_the_parameters_of_argon2id_stand_in_the_store(estate: Estate) -> None:
    kms = estate.open("passphrase")
    kms.create_key(CALLER, KeyRequest(), token="one")
    said = json.loads(kms._door.store.writing().execute("SELECT parameters FROM seal").fetchone()[0])
    assert said.pop("salt")
    assert said == {"iterations": 3, "kdf": "argon2id", "lanes": 4, "memoryKib": 8 * 1024, "version": 19}


@pytest.mark.parametrize("kind", KINDS)
def test_no_seal_leaves_a_secret_on_disk_beside_its_own(estate: Estate, kind: str) -> None:
    kms = estate.open(kind)
    kms.create_key(CALLER, KeyRequest(), token="one")
    seal = kms._door.store.seal()
    secrets = [bytes(seal.key.expose_key_bytes()), bytes(seal.proofs.expose_key_bytes()), PASSPHRASE.encode()]
    kms.close()
    for path in estate.home.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(secret in content for secret in secrets), path
    assert not any(secret.hex() in repr(seal) for secret in secrets)


def test_a_wrong_passphrase_is_one_error_and_never_a_new_key(estate: Estate) -> None:
    kms = estate.open("passphrase")
    key = kms.create_key(CALLER, KeyRequest(), token="one")
    kms.close()
    before = (estate.store / "keys.db").read_bytes()
    estate.passphrase(PASSPHRASE + "r")
    wrong = estate.open("passphrase")
    for call in (
        lambda: wrong.encrypt(CALLER, key.arn, b"x", {}),
        lambda: wrong.create_key(CALLER, KeyRequest(), token="two"),
    ):
        with pytest.raises(WrongPassphrase, match="does not open the key store of Provider/kms") as refused:
            call()
        assert refused.value.suggestion
        assert PASSPHRASE not in str(refused.value.diagnostics())
    assert wrong.describe_keys(CALLER, [key.arn])[key.arn] == key, "looking needs no passphrase"
    wrong.close()
    estate.passphrase()
    again = estate.open("passphrase")
    assert text_of(again, again.encrypt(CALLER, key.arn, b"x", {})) == b"x"
    assert before[:100] == (estate.store / "keys.db").read_bytes()[:100]


BAD_SOURCES: dict[str, tuple[str, type[ReconcilerError], str]] = {
    "readable by others": ("open", HostError, "can be read by others: its mode is 0644"),
    "missing": ("missing", HostError, "No such file"),
    "empty": ("empty", HostError, "holds no passphrase of the key store: it is empty"),
    "far too long": ("long", HostError, "longer than any"),
    "too short to be one": ("short", HostError, "only 5 bytes long"),
    "a symbolic link": ("link", HostError, "Too many levels of symbolic links"),
    "a pipe with a name": ("pipe", HostError, "no plain file"),
}


@pytest.mark.parametrize("how", BAD_SOURCES)
def test_a_passphrase_that_cannot_be_had_makes_no_store_key(estate: Estate, how: str) -> None:
    sort, error, words = BAD_SOURCES[how]
    path = estate.passphrase(name="other")
    match sort:
        case "open":
            path.chmod(0o644)
        case "missing":
            path.unlink()
        case "empty":
            estate.passphrase("", "other")
        case "long":
            estate.passphrase("x" * 5000, "other")
        case "short":
            estate.passphrase("12345", "other")
        case "link":
            path = estate.folder / "link"
            path.symlink_to(estate.folder / "other")
        case "pipe":
            path = estate.folder / "pipe"
            os.mkfifo(path, 0o600)
    config = {"seal": {"passphraseFrom": {"file": str(path)}, "memoryMib": 8}}
    kms = estate.open(config=config)
    with pytest.raises(error, match=words):
        kms.create_key(CALLER, KeyRequest(), token="one")
    connection = kms._door.store.reading()
    assert connection is None or connection.execute("SELECT count(*) FROM seal").fetchone() == (0,)


def test_a_descriptor_answers_the_same_as_often_as_it_is_asked() -> None:
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)
    source = SecretSource(fd=reading)
    assert bytes(read_secret(source, "passphrase", frozenset)) == PASSPHRASE.encode()
    assert bytes(read_secret(source, "passphrase", frozenset)) == PASSPHRASE.encode(), "an apply reads manifests again"
    os.close(reading)
    with pytest.raises(HostError, match="cannot be read from descriptor"):
        read_secret(source, "passphrase", frozenset)


def test_a_command_runs_only_when_the_operator_lists_it_word_for_word(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = ("/bin/sh", "-c", f"echo {PASSPHRASE}; touch {told}")
    source = SecretSource(command=command)
    lists: list[set[tuple[str, ...]]] = [set(), {("/bin/sh",)}, {(*command, "more")}]
    for listed in lists:
        with pytest.raises(UsageError, match="not one that the operator's file lists"):
            read_secret(source, "passphrase", listed.copy)
    assert not told.exists()
    assert bytes(read_secret(source, "passphrase", lambda: {command})) == PASSPHRASE.encode()
    failing = SecretSource(command=("/bin/false",))
    with pytest.raises(HostError, match="failed with exit code 1"):
        read_secret(failing, "passphrase", lambda: {("/bin/false",)})


BAD_CONFIGS = {
    "both": {"passphraseFrom": {"fd": "3"}, "key": "root/k"},
    "neither": {},
    "two sources": {"passphraseFrom": {"fd": "3", "file": "/x"}},
    "a file of the project": {"passphraseFrom": {"file": "secret.txt"}},
    "a command by its name": {"passphraseFrom": {"command": ["pass", "show"]}},
    "a passphrase itself": {"passphrase": PASSPHRASE},
    "a key without its provider": {"key": "orders"},
    "too little memory": {"passphraseFrom": {"fd": "3"}, "memoryMib": "1"},
}


@pytest.mark.parametrize("what", BAD_CONFIGS)
def test_a_seal_that_cannot_be_meant_is_refused_without_repeating_it(estate: Estate, what: str) -> None:
    with pytest.raises(InvalidManifests) as refused:
        estate.open(config={"seal": BAD_CONFIGS[what]})
    (problem,) = refused.value.diagnostics()
    assert str(problem.path).startswith("spec.config.seal")
    assert PASSPHRASE not in str(problem)


@pytest.mark.parametrize("declared", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_is_not_sealed_as_declared_is_not_opened_in_passing(
    estate: Estate, kind: str, declared: str
) -> None:
    first = estate.open(kind)
    key = first.create_key(CALLER, KeyRequest(), token="one")
    first.close()
    other = estate.open(declared)
    if kind == declared:
        assert other.encrypt(CALLER, key.arn, b"x", {})
        return
    with pytest.raises(SealNotAsDeclared, match="is sealed by") as refused:
        other.encrypt(CALLER, key.arn, b"x", {})
    assert "reconciler keystore reseal kms" in (refused.value.suggestion or "")
    assert other.describe_keys(CALLER, [key.arn])[key.arn] == key


def test_a_key_that_seals_and_may_not_be_used_says_so(estate: Estate) -> None:
    kms = estate.open("key")
    key = kms.create_key(CALLER, KeyRequest(), token="one")
    kms.close()
    root = estate.open(region=ROOT_REGION, name="root")
    root.disable_key(CALLER, estate.root_key)
    with pytest.raises(ProviderUnavailable, match=r"the key that seals it, root/.* cannot be used"):
        estate.open("key").encrypt(CALLER, key.arn, b"x", {})
    root.enable_key(CALLER, estate.root_key)
    root.rotate_key(CALLER, estate.root_key, token="rotated")
    assert estate.open("key").encrypt(CALLER, key.arn, b"x", {}), "rotation keeps what the seal was wrapped under"


def test_a_seal_moved_from_another_store_does_not_open(estate: Estate) -> None:
    """The wrapped key is bound to its store: account, Region and seal."""
    kms = estate.open("key")
    key = kms.create_key(CALLER, KeyRequest(), token="one")
    other = estate.open("key", region="us-east-1")
    other.create_key(CALLER, KeyRequest(), token="one")
    row = other._door.store.writing().execute("SELECT seal_id, parameters, wrapped FROM seal").fetchone()
    kms.close()
    again = estate.open("key")
    with again._door.store.transaction() as connection:
        connection.execute("UPDATE seal SET seal_id = ?, parameters = ?, wrapped = ?", row)
    with pytest.raises(DamagedStore, match="does not open under root/"):
        again.encrypt(CALLER, key.arn, b"x", {})


def test_a_provider_that_wraps_no_keys_is_refused_at_once(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estate, "provider", lambda name: object())
    with pytest.raises(MissingCapability, match="Provider/tb cannot seal a key store"):
        estate.open(config={"seal": {"key": "tb/k"}})


def test_parameters_that_would_run_for_hours_are_refused(estate: Estate) -> None:
    kms = estate.open("passphrase")
    key = kms.create_key(CALLER, KeyRequest(), token="one")
    kms.close()
    again = estate.open("passphrase")
    good = json.loads(again._door.store.writing().execute("SELECT parameters FROM seal").fetchone()[0])
    for worse in (
        {"memoryKib": 1 << 40},
        {"iterations": 1 << 30},
        {"lanes": 0},
        {"salt": "00"},
        {"kdf": "none"},
        {"memoryKib": "8"},
    ):
        with again._door.store.transaction() as connection:
            connection.execute("UPDATE seal SET parameters = ?", (json.dumps({**good, **worse}),))
        with pytest.raises(DamagedStore, match="asks for what no version"):
            again.encrypt(CALLER, key.arn, b"x", {})
    with again._door.store.transaction() as connection:
        connection.execute("UPDATE seal SET parameters = ?", (json.dumps({**good, "iterations": 2}),))
    with pytest.raises(WrongPassphrase):
        again.encrypt(CALLER, key.arn, b"x", {})


def test_a_grant_of_the_root_ends_what_it_sealed(estate: Estate) -> None:
    """Losing the key that seals is losing the store: the error is the other service's own."""
    kms = estate.open("key")
    key = kms.create_key(CALLER, KeyRequest(), token="one")
    kms.create_grant(CALLER, GrantRequest(key_id=key.arn, grantee_principal="x.amazonaws.com", operations=("Decrypt",)))
    kms.close()
    root = estate.open(region=ROOT_REGION, name="root")
    root.schedule_key_deletion(CALLER, estate.root_key, waiting_days=7)
    estate.clock.advance(days=8)
    with pytest.raises(NotFoundException):
        estate.open("key").encrypt(CALLER, key.arn, b"x", {})


def test_a_passphrase_is_wiped_from_what_was_handed_over() -> None:
    from reconciler.testing.fakes import SeededRandom

    handed = bytearray(PASSPHRASE.encode())
    made = PassphraseSeal(lambda: handed, SeededRandom(), memory_mib=8).make(beside=False)
    assert handed == bytes(len(PASSPHRASE))
    assert len(made.key) == 32
