"""``material: {from: {command: ...}}``: what the operator lists is run by the apply that imports, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main
from tests.world import World, document, provider

MATERIAL = bytes(range(31)) + b"\n"  # the end of a line is a byte of it as any other


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "reconciler.yaml").write_text("home: .reconciler\nstate: {path: .reconciler/state.db}\n")
    (tmp_path / "material").write_bytes(MATERIAL)
    made = World(folder)
    command = f"[/bin/cat, {tmp_path / 'material'}]"
    made.declare(provider() + document("Key", "byok", origin="EXTERNAL", material=f"{{from: {{command: {command}}}}}"))
    operator = tmp_path / "operator.yaml"
    operator.write_text(f"commands: [{command}]\n")
    operator.chmod(0o600)
    return made


def test_what_the_operator_lists_is_run_and_its_output_imported(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECONCILER_OPERATOR_FILE", str(tmp_path / "operator.yaml"))
    assert main(["-C", str(world.folder), "plan"]) == 0
    assert "import its key material from command /bin/cat" in capfd.readouterr().out
    assert main(["-C", str(world.folder), "apply", "--auto-approve"]) == 0
    with world.session() as session:
        kms: Any = session.provider("kms")
        row = session.reader.get(next(iter(session.declared)))
        assert row is not None
        with kms._door.store.lock:
            (material_id,) = kms._door.store.reading().execute("SELECT material_id FROM keys").fetchone()
            kms._door.store.seal()
            with kms._door.materials.opened(kms._door.store.reading(), row.identity, material_id) as opened:
                assert bytes(opened.expose_key_bytes()) == MATERIAL
    assert main(["-C", str(world.folder), "plan", "--detailed-exitcode"]) == 0


def test_what_the_operator_does_not_list_is_not_run(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(world.folder), "apply", "--auto-approve"]) != 0
    assert "/bin/cat, is not one that the operator's file lists" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{command: [cat, x]}", "must begin with the absolute path of what is run"),
        ("{command: []}", "command"),
        ("{command: [/bin/cat], fd: 3}", "must hold exactly one of file, fd and command"),
        ("{}", "must hold exactly one of file, fd and command"),
    ],
)
def test_a_source_that_is_none_is_refused(
    source: str, words: str, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    world.declare(provider() + document("Key", "byok", origin="EXTERNAL", material=f"{{from: {source}}}"))
    assert main(["-C", str(world.folder), "validate"]) == 1
    assert words in capfd.readouterr().err
