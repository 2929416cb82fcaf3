"""Every kind of operation, killed with SIGKILL in mid-step: the next apply ends it and no byte is lost (I1).

The starting world and the change are those of a scenario; the kill comes a little after a step was begun.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from reconciler.commands.session import Session
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.providers.typed import caller, warehouse_provider
from tests.applying.test_kill import finish, start
from tests.world import World

SCENARIOS = Path(__file__).parent.parent / "scenarios"
CASES = [
    "create-cluster-snapshot-and-table",
    "switch-key-takes-snapshots-along",
    "switch-away-then-the-old-key-goes",
    "rotate-a-cluster-by-trigger",
    "encrypt-a-plaintext-cluster",
    "decrypt-is-asked-for-by-name",
    "copy-snapshots-to-another-region",
    "a-table-from-the-owned-key-to-a-key-of-ones-own",
    "two-files-loaded-in-turn",
    "grant-is-replaced-new-before-old",
    "rename-a-cluster-with-copying-off-and-on",
    "rename-an-alias-new-before-old",
    "two-keys-swap-their-names",
]
QUESTION = "SELECT name, age FROM people ORDER BY age, name"
PEOPLE = [("Ada Lovelace", 36), ("Radia Perlman", 73), ("Grace Hopper", 85)]
DOZEN_MILLISECONDS = 0.012


class RealWorld(World):
    """With the system's clock: the killed process has that too."""

    def session(self) -> Session:
        found = super().session()
        return Session(found.flags, clock=SystemClock(), random=SystemRandom())


def kill_in_step(folder: Path, step: int, delay: float) -> bool:
    """Kill an apply ``delay`` seconds after its ``step``-th step was begun; whether it was still running."""
    with start(folder) as process:
        assert process.stdout is not None
        begun = 0
        for line in process.stdout:
            begun += '"step-started"' in line
            if begun == step:
                break
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
        process.wait()
        return process.returncode == -signal.SIGKILL


def kill_begun(folder: Path, delay: float) -> bool:
    """Kill the apply in its first step; where it was over before, the same again from the beginning, and sooner."""
    beginning = folder.with_name("beginning")
    shutil.copytree(folder, beginning, symlinks=True)
    for attempt in range(8):
        if kill_in_step(folder, 1, delay / 2**attempt):
            return True
        shutil.rmtree(folder)
        shutil.copytree(beginning, folder, symlinks=True)
    return False


@pytest.mark.parametrize("case", CASES)
def test_an_operation_killed_in_the_middle_is_ended_by_the_next_apply(tmp_path: Path, case: str) -> None:
    chance = random.Random(case)  # noqa: S311  # a seed for the moment of the kill, no secret
    folder = SCENARIOS / case
    world = RealWorld(tmp_path / "project")
    if (folder / "start").is_dir():
        world.declare(folder / "start")
        world.apply()
    world.declare(folder / "manifests")
    world.session()
    assert kill_begun(world.folder, chance.uniform(0, DOZEN_MILLISECONDS))
    for step in (1, 2):
        kill_in_step(world.folder, step, chance.uniform(0, DOZEN_MILLISECONDS))
    finish(world.folder)
    plan = world.plan()
    assert not plan.has_changes, plan.changes
    with world.session() as session:
        assert not session.reader.open_intents()
        for row in session.reader.all():
            if row.address.kind == "Cluster":
                warehouse = warehouse_provider(session, row.provider)
                found = warehouse.select(caller(session, row.provider), str(row.attributes["name"]), QUESTION).rows
                assert [person for person in found if person in PEOPLE] == PEOPLE
                assert len(found) == len(PEOPLE) + (case == "two-files-loaded-in-turn")
