"""A real apply, killed with SIGKILL, and the next one: nothing lost, nothing made twice (I10, I11)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.providers.typed import caller, key_provider
from tests.world import World, document, provider

WORLD = provider() + "".join(
    document("Key", name, description=name, rotation="{trigger: one}")
    + document("Alias", name, key=name)
    + document("Grant", name, key=name, granteePrincipal="arn:aws:iam::111122223333:role/app", operations="[Decrypt]")
    for name in ("orders", "users")
)
EVENTS_OF_A_FRESH_APPLY = 26


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", "-C", str(folder), "apply", "--auto-approve", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RECONCILER_DEBUG": "1"},
    )


def kill_after(folder: Path, events: int) -> bool:
    """Kill an apply as soon as it has told that many events; whether it was still running."""
    with start(folder) as process:
        assert process.stdout is not None
        for _ in range(events):
            if not process.stdout.readline():
                break
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
        process.wait()
        return process.returncode == -signal.SIGKILL


def finish(folder: Path) -> str:
    with start(folder) as process:
        out, err = process.communicate()
        assert process.returncode == 0, err
        return out


@pytest.mark.parametrize("events", range(1, EVENTS_OF_A_FRESH_APPLY, 3))
def test_an_apply_killed_after_any_event_is_ended_by_the_next(tmp_path: Path, events: int) -> None:
    world = World(tmp_path / "project")
    world.declare(WORLD)
    world.session()  # writes the project file
    was_killed = kill_after(world.folder, events)
    finish(world.folder)
    with world.session() as session:
        service, who = key_provider(session, "kms"), caller(session, "kms")
        assert sorted(key.description for key in service.list_keys(who)) == ["orders", "users"]
        rows = session.reader.all()
        assert {row.settled for row in rows} == {True}
        assert len(rows) == 6
        assert not session.reader.open_intents()
    assert not world.plan().has_changes
    assert was_killed or events > EVENTS_OF_A_FRESH_APPLY - 4


def test_an_apply_killed_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(WORLD)
    world.session()
    kills = sum(kill_after(world.folder, 3) for _ in range(6))
    assert kills == 6
    finish(world.folder)
    with world.session() as session:
        keys = key_provider(session, "kms").list_keys(caller(session, "kms"))
    assert sorted(key.description for key in keys) == ["orders", "users"]
    assert not world.plan().has_changes
