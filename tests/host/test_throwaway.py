"""A folder for a process: gone with it, however it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.host.process import Process
from reconciler.host.throwaway import empty_folder, throwaway_folder

PREFIX = "reconciler-test-"
HELD = f"""
import sys, time
from reconciler.host.throwaway import throwaway_folder
with throwaway_folder({PREFIX!r}) as folder:
    (folder / "keys").write_text("secret")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path


def holder(place: Path) -> subprocess.Popen[str]:
    env = os.environ | {"TMPDIR": str(place), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    return process


def test_it_is_gone_at_the_end_and_emptying_it_leaves_it_ours(place: Path) -> None:
    with throwaway_folder(PREFIX) as folder:
        (folder / "x").mkdir()
        (folder / "y").touch()
        assert folder.stat().st_mode & 0o777 == 0o700
        empty_folder(folder)
        assert list(folder.iterdir()) == []
        with throwaway_folder(PREFIX) as other:
            assert other != folder
            assert folder.exists(), "a living process's is left alone"
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_that_starts_and_a_living_ones_stays(place: Path) -> None:
    killed, living = holder(place), holder(place)
    try:
        killed.kill()
        killed.wait()
        assert len(list(place.iterdir())) == 2
        with throwaway_folder(PREFIX):
            assert len(list(place.iterdir())) == 2, "the living one's and ours"
    finally:
        living.kill()
        living.wait()
    with throwaway_folder(PREFIX):
        assert len(list(place.iterdir())) == 1


@pytest.mark.parametrize("owner", [None, "", "[]", "nonsense", '["here", "boot", "x", 1]', "elsewhere"])
def test_what_is_not_known_to_be_a_dead_process_s_is_left_alone(place: Path, owner: str | None) -> None:
    left = place / f"{PREFIX}x"
    left.mkdir()
    if owner is not None:
        us = Process.current()
        elsewhere = json.dumps(["another host", us.boot_id, 999_999_999, 1])
        (left / "owner").write_text(elsewhere if owner == "elsewhere" else owner)
    with throwaway_folder(PREFIX):
        assert left.exists()


def test_a_link_is_not_followed(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("target")
    us = Process.current()
    (target / "owner").write_text(json.dumps([us.host, us.boot_id, 999_999_999, 1]))
    (place / f"{PREFIX}link").symlink_to(target)
    with throwaway_folder(PREFIX):
        assert (target / "owner").exists()
