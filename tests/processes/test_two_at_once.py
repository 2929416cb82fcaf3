"""Two real applies of one project: one holds the lock, the other waits, is refused, or takes over from the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, document, provider

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = provider() + document("Key", "k") + document("Alias", "a", key="k")
HELD = """
import sys
from reconciler.cli import main
from tests.processes.applier import stop_before_effect
stop_before_effect(1)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(MANIFESTS)
    made.session()
    return made


def apply(world: World, *arguments: str) -> subprocess.Popen[str]:
    return started(["-m", "reconciler", "-C", str(world.folder), "apply", "--auto-approve", *arguments])


def started(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def holder(world: World) -> Iterator[subprocess.Popen[str]]:
    """An apply that stands still in the middle of its second operation, holding the lock."""
    process = started(["-c", HELD, "-C", str(world.folder), "apply", "--auto-approve"])
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_lock_that_is_held_refuses_with_6_and_names_its_holder(world: World, holder: subprocess.Popen[str]) -> None:
    code, _, err = ended(apply(world))
    assert code == 6
    assert f'process {holder.pid}, running "apply"' in err
    before = time.monotonic()
    code, _, err = ended(apply(world, "--lock-timeout", "1s"))
    assert (code, "(waited 1 s)" in err) == (6, True)
    assert time.monotonic() - before >= 1


def test_who_waits_goes_on_when_the_holder_has_ended(world: World, holder: subprocess.Popen[str]) -> None:
    waiting = apply(world, "--lock-timeout", "1m")
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=1.0)
    os.kill(holder.pid, signal.SIGCONT)
    assert ended(holder)[0] == 0
    code, out, _ = ended(waiting)
    assert code == 0
    assert "No changes." in out


def test_the_lock_of_a_killed_process_is_taken_over_at_once_and_its_work_taken_up(
    world: World, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    code, out, _ = ended(apply(world))
    assert code == 0
    assert "Alias/a: taken up again at create-alias" in out
    assert not world.plan().has_changes


def test_an_overtaken_apply_that_wakes_up_ends_with_6_and_has_no_effect(
    world: World, holder: subprocess.Popen[str]
) -> None:
    broken = started(["-m", "reconciler", "-C", str(world.folder), "lock", "break", "--auto-approve"])
    code, _, err = ended(broken)
    assert code == 0, err
    world.declare(MANIFESTS.replace("{name: a}", "{name: b}"))
    assert ended(apply(world))[0] == 0
    os.kill(holder.pid, signal.SIGCONT)
    code, out, err = ended(holder)
    assert code == 6
    assert "is written to under fencing token" in out
    assert "The lock was taken over or broken meanwhile" in err
    assert not world.plan().has_changes


def test_of_two_that_start_together_one_does_the_work_and_both_succeed(world: World) -> None:
    two = [ended(process) for process in [apply(world, "--lock-timeout", "1m") for _ in range(2)]]
    assert [code for code, _, _ in two] == [0, 0], two
    assert sorted("No changes." in out for _, out, _ in two) == [False, True]
