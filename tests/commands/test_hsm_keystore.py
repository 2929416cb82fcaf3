"""A project whose software KMS is sealed by a key in a partition of SoftHSM2, from the command line to the token."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException
from reconciler.providers.keys import KeyState
from reconciler.testing.quick_folder import tmp_path
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.tests.tokens import Tokens, made_tokens, tokens
from tests.world import World, document, provider

__all__ = ["made_tokens", "tmp_path", "tokens"]

CALLER = Caller(principal="arn:aws:iam::111122223333:role/platform", account="111122223333")

HSM = provider("hsm", plugin="pkcs11").replace("role/platform\n", "role/platform\n  config: {module: softhsm}\n")
KMS = provider()
KEYS = document("Key", "k", tags="{a: b}")


@pytest.fixture
def world(tmp_path: Path, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("RECONCILER_OPERATOR_FILE", str(tokens.operator_file))
    folder = tmp_path / "shop"
    folder.mkdir()
    made = World(folder)
    made.declare(HSM + rooted(tokens) + KMS + KEYS)
    made.apply()
    return made


def rooted(tokens: Tokens, *, may_go: bool = False) -> str:
    """A partition, and a key in it."""
    token = tokens["a"]
    partition = document(
        "HsmPartition", "root", provider="hsm", tokenLabel=token.label, pinFrom=f"{{file: {token.pin_file}}}"
    )
    more = {"lifecycle": "{preventDestroy: false}"} if may_go else {}
    return partition + document("Key", "seal", provider="hsm", tags="{Name: seal}", **more)


def sealed(key: str = "seal") -> str:
    """The software KMS, sealed by that key."""
    return KMS.replace("role/platform\n", f"role/platform\n  config: {{seal: {{key: hsm/{key}}}}}\n")


def test_a_store_is_sealed_by_a_key_in_an_hsm_and_by_a_file_again(world: World, tokens: Tokens) -> None:
    assert not world.plan().has_changes, "applied, planned again: nothing to do"
    store = world.folder / ".reconciler" / "softkms" / "111122223333" / "eu-west-1"
    assert (store / "seal.key").exists()
    world.declare(HSM + rooted(tokens) + sealed() + KEYS)
    ran = world.run("keystore", "reseal", "kms")
    assert (ran.code, ran.out) == (0, "The key store is sealed by the key hsm/seal now, generation 2.\n"), ran.err
    assert not (store / "seal.key").exists()
    ran = world.run("keystore", "check", "kms")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Everything is what was written."), ran.err
    world.declare(HSM + rooted(tokens) + sealed() + KEYS + document("Key", "k2"))
    world.apply()
    assert not world.plan().has_changes
    assert world.run("keystore", "reseal", "kms", "--renew").code == 0
    world.declare(HSM + rooted(tokens) + KMS + KEYS + document("Key", "k2"))
    ran = world.run("keystore", "reseal", "kms")
    assert (ran.code, "sealed by a seal file now" in ran.out) == (0, True), ran.err
    assert (store / "seal.key").exists()
    assert world.run("keystore", "check", "kms").code == 0


def test_a_key_that_seals_a_store_is_not_destroyed(world: World, tokens: Tokens) -> None:
    world.declare(HSM + rooted(tokens, may_go=True) + sealed() + KEYS)
    assert world.run("keystore", "reseal", "kms").code == 0
    world.apply()
    partition = rooted(tokens).partition("---\napiVersion: reconciler/v1alpha1\nkind: Key")[0]
    world.declare(HSM + partition + sealed() + KEYS)
    blocked = {str(change.address): change.blocked for change in world.plan().changes if change.blocked}
    assert blocked["Key/seal"][0].guard == "key-in-use"
    assert "reconciler keystore reseal kms" in str(blocked["Key/seal"])
    with world.session() as session:
        (use,) = session.census().uses
        assert (use.what, use.name) == ("key-store", "kms")


def test_what_the_hsm_was_asked_is_in_the_audit_log(world: World, tokens: Tokens) -> None:
    ran = world.run("audit", "--format", "json")
    names = [event["eventName"] for event in ran.events]
    assert {"CreateHsmConfiguration", "CreateKey"} <= set(names)
    assert world.run("audit", "--check").code == 0
    assert tokens["a"].pin not in ran.out


def test_another_host_disables_the_key_and_the_store_stays_closed(world: World, tokens: Tokens) -> None:
    world.declare(HSM + rooted(tokens) + sealed() + KEYS)
    assert world.run("keystore", "reseal", "kms").code == 0
    with world.session() as session:
        hsm = cast(Pkcs11, session.provider("hsm"))
        (seal,) = hsm.list_keys(CALLER)
        hsm.disable_key(CALLER, seal.arn)
        assert hsm.list_keys(CALLER)[0].state is KeyState.DISABLED
    ran = world.run("keystore", "check", "kms")
    assert (ran.code, "is disabled" in ran.err) == (1, True)


def test_a_key_that_seals_a_store_is_disabled_by_an_apply_and_enabled_by_the_next(world: World, tokens: Tokens) -> None:
    world.declare(HSM + rooted(tokens) + sealed() + KEYS)
    assert world.run("keystore", "reseal", "kms").code == 0
    world.apply()
    world.declare(HSM + rooted(tokens).replace("Name: seal}", "Name: seal}\n  enabled: false") + sealed() + KEYS)
    assert world.run("apply", "--auto-approve").code == 4, "an outage, which has to be accepted"
    assert world.run("apply", "--auto-approve", "--accept-outage", "Key/seal").code == 0
    ran = world.run("keystore", "check", "kms")
    assert (ran.code, "the key that seals it, hsm/seal, cannot be used" in ran.err) == (1, True), ran.err
    world.declare(HSM + rooted(tokens) + sealed() + KEYS)
    ran = world.run("apply", "--auto-approve")
    assert ran.code == 0, "what is shut by the key does not keep it from being enabled: " + ran.err
    assert not world.plan().has_changes
    assert world.run("keystore", "check", "kms").code == 0


def test_a_key_store_that_no_manifest_declares_any_more_still_holds_the_key(world: World, tokens: Tokens) -> None:
    world.declare(HSM + rooted(tokens, may_go=True) + sealed() + KEYS)
    assert world.run("keystore", "reseal", "kms").code == 0
    world.apply()
    assert world.run("state", "rm", "Key/k").code == 0
    world.declare(HSM + rooted(tokens, may_go=True))
    with world.session() as session:
        (use,) = session.census().uses
        assert (use.what, use.name) == ("key-store", "softkms/111122223333/eu-west-1")


def test_the_provider_itself_does_not_let_a_key_go_that_seals_a_store(world: World, tokens: Tokens) -> None:
    """Asked past the plan and its census; and when a store comes back from a backup while its key waits."""
    world.declare(HSM + rooted(tokens) + sealed() + KEYS)
    assert world.run("keystore", "reseal", "kms").code == 0
    backup = world.folder.parent / "backup"
    assert world.run("keystore", "backup", "kms", str(backup)).code == 0
    with world.session() as session:
        hsm = cast(Pkcs11, session.provider("hsm"))
        (seal,) = hsm.list_keys(CALLER)
        with pytest.raises(ConflictException, match="seals the key store softkms/111122223333/eu-west-1"):
            hsm.schedule_key_deletion(CALLER, seal.arn, waiting_days=7)
    world.declare(HSM + rooted(tokens) + KMS + KEYS)
    assert world.run("keystore", "reseal", "kms").code == 0
    store = world.folder / ".reconciler" / "softkms" / "111122223333" / "eu-west-1"
    with world.session() as session:
        hsm = cast(Pkcs11, session.provider("hsm"))
        hsm.schedule_key_deletion(CALLER, seal.arn, waiting_days=7)
        world.clock.advance(days=8)
        (store / "back.db").write_bytes(backup.read_bytes())
        assert hsm.expire() == []
        (store / "back.db").unlink()
        assert hsm.expire() == [seal.arn]
