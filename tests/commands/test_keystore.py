"""``keystore``: a project's key stores listed, checked, sealed anew, backed up and restored from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.cli import main
from reconciler.views.schemas import load_schema
from tests.world import World, document, provider

KMS = provider() + provider("tb", plugin="tables")
SEALED = "  config: {{seal: {{passphraseFrom: {{file: {0}}}, memoryMib: 8}}}}\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = World(folder)
    made.declare(KMS + document("Key", "k", tags="{a: b}") + document("Key", "k2"))
    made.apply()
    return made


def run(world: World, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["-C", str(world.folder), "keystore", *arguments])
    out, err = capfd.readouterr()
    return code, out, err


def store(world: World) -> Path:
    return world.folder / ".reconciler" / "softkms" / "111122223333" / "eu-west-1"


def test_list_and_check(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(world, capfd, "list")
    assert code == 0
    assert out.startswith("Provider/kms\n  sealed by a seal file, generation 1\n  2 keys with 2 materials, ")
    code, out, _ = run(world, capfd, "list", "--format", "json")
    (found,) = json.loads(out)["keystores"]
    assert found.keys() == load_schema("keystore-list")["properties"]["keystores"]["items"]["properties"].keys()
    assert (found["provider"], found["keys"], found["isAsDeclared"]) == ("kms", 2, True)
    code, out, _ = run(world, capfd, "check", "kms")
    assert (code, out.splitlines()[-1]) == (0, "Everything is what was written.")
    code, _, err = run(world, capfd, "check", "tb")
    assert (code, "Provider/tb keeps no key store on this machine" in err) == (1, True)


def test_check_tells_what_is_damaged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    with world.session() as session:
        kms = session.provider("kms")
        with kms._door.store.transaction() as connection:  # type: ignore[attr-defined]  # an attack, past the protocol
            connection.execute("UPDATE materials SET sealed = zeroblob(124)")
    code, out, _ = run(world, capfd, "check", "kms")
    assert code == 3
    assert out.count("Not what was written: The material of key ") == 2


def test_a_passphrase_as_declared_and_renewed(world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    manifests = KMS.replace("role/platform\n", "role/platform\n" + SEALED.format(secret), 1)
    world.declare(manifests + document("Key", "k", tags="{a: c}") + document("Key", "k2"))
    code, out, _ = run(world, capfd, "list")
    assert "not as declared: reconciler keystore reseal kms" in out
    with pytest.raises(Exception, match="is sealed by a seal file; its manifest says a passphrase"):
        world.declare(manifests + document("Key", "k3"))
        world.apply()
    code, out, _ = run(world, capfd, "reseal", "kms")
    assert (code, out) == (0, "The key store is sealed by a passphrase now, generation 2.\n")
    assert not (store(world) / "seal.key").exists()
    code, out, _ = run(world, capfd, "reseal", "kms")
    assert (code, "as declared; nothing was changed" in out) == (0, True)
    code, out, _ = run(world, capfd, "reseal", "kms", "--renew")
    assert (code, "generation 3. 2 key materials under a new store key." in out) == (0, True)
    secret.write_text("another passphrase altogether\n")
    code, _, err = run(world, capfd, "check", "kms")
    assert (code, "The passphrase does not open the key store of Provider/kms" in err) == (1, True)
    reading, writing = os.pipe()
    os.write(writing, b"correct horse battery staple\n")
    os.close(writing)
    code, out, _ = run(world, capfd, "reseal", "kms", "--old-passphrase-fd", str(reading))
    os.close(reading)
    assert (code, "generation 4" in out) == (0, True)
    world.declare(manifests + document("Key", "k", tags="{a: c}") + document("Key", "k2"))
    world.apply()
    assert not world.plan().has_changes


def test_a_backup_and_its_restore(world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = str(tmp_path / "backup")
    code, out, _ = run(world, capfd, "backup", "kms", file)
    assert code == 0
    assert "2 keys, up to record" in out
    assert "what opens it is not in it" in out
    code, out, _ = run(world, capfd, "check", "kms", "--backup", file)
    assert (code, out.startswith("A whole backup of account 111122223333 in eu-west-1")) == (0, True)
    code, _, err = run(world, capfd, "backup", "kms", file)
    assert (code, "something at" in err) == (1, True)
    for path in store(world).glob("keys.db*"):
        path.unlink()
    code, out, err = run(world, capfd, "restore", "kms", file)
    assert (code, err) == (0, "Run reconciler plan now: it compares these keys with the state and the manifests.\n")
    assert not world.plan().has_changes
    code, _, err = run(world, capfd, "restore", "kms", file)
    assert (code, "--replace" in err) == (1, True)
    (store(world) / "keys.db").write_bytes(b"x" * 9000)
    code, out, _ = run(world, capfd, "restore", "kms", file, "--replace")
    assert (code, "What was there before is kept at" in out) == (0, True)


def test_a_backup_from_before_the_last_apply_is_an_older_store(
    world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(tmp_path / "backup")
    assert run(world, capfd, "backup", "kms", file, "--with-seal-key")[0] == 0
    world.declare(KMS + document("Key", "k", tags="{a: b}") + document("Key", "k2") + document("Key", "k3"))
    world.apply()
    for path in store(world).iterdir():
        if path.is_file():
            path.unlink()
    code, _, err = run(world, capfd, "restore", "kms", file)
    assert (code, "is older than the project's state" in err) == (1, True)
    code, _, _ = run(world, capfd, "restore", "kms", file, "--accept-older")
    assert code == 0
    plan = world.plan()
    assert [str(change.address) for change in plan.changes if change.blocked or change.operations] == ["Key/k3"]


def test_nothing_is_restored_while_somebody_applies(
    world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(tmp_path / "backup")
    assert run(world, capfd, "backup", "kms", file)[0] == 0
    with world.session() as session:
        session.store.acquire("apply", timeout=0)
        code, _, err = run(world, capfd, "restore", "kms", file, "--replace", "--accept-older")
        assert (code, "is running, and uses the keys" in err) == (6, True)
        session.store.release()


def test_a_command_that_the_operator_lists_answers_the_passphrase(
    world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "[/bin/echo, correct horse, battery staple]"
    sealed = f"  config: {{seal: {{passphraseFrom: {{command: {command}}}, memoryMib: 8}}}}\n"
    world.declare(KMS.replace("role/platform\n", f"role/platform\n{sealed}", 1) + document("Key", "k"))
    code, _, err = run(world, capfd, "reseal", "kms")
    assert (code, "not one that the operator's file lists" in err) == (1, True)
    operator = tmp_path / "operator.yaml"
    operator.write_text(f"commands: [{command}]\n")
    operator.chmod(0o600)
    monkeypatch.setenv("RECONCILER_OPERATOR_FILE", str(operator))
    code, out, _ = run(world, capfd, "reseal", "kms")
    assert (code, out) == (0, "The key store is sealed by a passphrase now, generation 2.\n")
    assert run(world, capfd, "check", "kms")[0] == 0


def test_a_key_of_another_provider_seals_a_store(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """A whole project under it: planned, applied, rotated; the sealing key found by its alias."""
    root = provider("root", region="eu-central-1") + document("Key", "seal", provider="root")
    root += document("Alias", "sealing", provider="root", key="seal")
    keys = document("Key", "k", tags="{a: b}") + document("Key", "k2")
    world.declare(KMS + root + keys)
    world.apply()
    sealed = "  config: {seal: {key: root/alias/sealing}}\n"
    world.declare(KMS.replace("role/platform\n", f"role/platform\n{sealed}", 1) + root + keys)
    code, out, _ = run(world, capfd, "reseal", "kms")
    assert (code, out) == (0, "The key store is sealed by the key root/alias/sealing now, generation 2.\n")
    assert not world.plan().has_changes
    assert run(world, capfd, "reseal", "kms", "--renew")[0] == 0
    sealing = root.replace("provider: root\n", "provider: root\n  lifecycle: {preventDestroy: false}\n", 1)
    declared = KMS.replace("role/platform\n", f"role/platform\n{sealed}", 1)
    world.declare(declared + sealing + keys)
    world.apply()
    world.declare(declared + provider("root", region="eu-central-1") + keys)
    blocked = {str(change.address): change.blocked for change in world.plan().changes if change.blocked}
    assert blocked["Key/seal"][0].guard == "key-in-use"
    assert "reconciler keystore reseal kms" in str(blocked["Key/seal"])
    circle = "  config: {seal: {key: kms/alias/other}}\n"
    both = KMS.replace("role/platform\n", f"role/platform\n{sealed}", 1)
    world.declare(both + root.replace("role/platform\n", f"role/platform\n{circle}", 1) + keys)
    code, _, err = run(world, capfd, "list")
    assert (code, "Providers need each other in a circle" in err) == (1, True)
