"""``audit`` and ``keystore`` on stores that ``serve`` made by itself: no manifest declares them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli import main
from tests.world import World, document, provider


@pytest.fixture
def world(tmp_path: Path) -> World:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = World(folder)
    made.declare(provider() + document("Key", "k") + document("Key", "k2"))
    made.apply()
    return made


def test_a_store_that_serve_made_by_itself_needs_no_manifest(
    world: World, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Neither here, in a folder without a project, nor beside one that declares other places."""
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    home = ["-C", str(nowhere), "--home", str(world.folder / ".reconciler")]
    name = "softkms/111122223333/eu-west-1"
    assert main([*home, "keystore", "list"]) == 0
    assert capfd.readouterr().out.startswith(f"{name}\n")
    assert main([*home, "keystore", "check", name]) == 0
    assert main([*home, "keystore", "reseal", name, "--renew"]) == 0
    assert main([*home, "keystore", "backup", name, str(tmp_path / "backup")]) == 0
    assert main([*home, "keystore", "restore", name, str(tmp_path / "backup"), "--replace"]) == 0
    capfd.readouterr()
    assert main([*home, "audit", "--event", "CreateKey"]) == 0
    assert capfd.readouterr().out.count(" CreateKey ") == 2
    assert main([*home, "audit", "--check"]) == 0
    assert capfd.readouterr().out.startswith(f"{name}: ")
    assert main([*home, "keystore", "check", "softkms/111122223333/us-east-1"]) == 1
    assert "There is no key store softkms/111122223333/us-east-1 at home" in capfd.readouterr().err
    world.declare(provider(region="us-east-1"))
    assert main(["-C", str(world.folder), "keystore", "list"]) == 0
    assert f"\n{name}\n" in capfd.readouterr().out


def test_a_home_without_a_store_has_nothing_to_show(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command in (["audit"], ["audit", "--check"], ["keystore", "list"]):
        assert main(["-C", str(tmp_path), "--home", str(tmp_path / "none"), *command]) == 0
        capfd.readouterr()
