"""Ctrl-C, as a real SIGINT to a real apply: once, the running step is ended; twice, out at once (CONTRACT 4)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, document, provider

PEOPLE = 150_000
WORLD = (
    provider()
    + provider("warehouse", plugin="warehouse")
    + document("Key", "root")
    + document(
        "Cluster",
        "people",
        provider="warehouse",
        nodeType="ra3.large",
        nodes="1",
        encryption="{key: root}",
        tables="[{name: first, load: [people.csv]}, {name: second, load: [people.csv]}]",
    )
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A project whose apply takes its time over loading a file, and then over loading it again."""
    world = World(tmp_path / "project")
    world.declare(WORLD)
    with (world.folder / "people.csv").open("w") as lines:
        lines.write("name,number\n")
        lines.writelines(f"somebody-{number},{number}\n" for number in range(PEOPLE))
    world.session()
    return world


def start(world: World, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", "-C", str(world.folder), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_loading(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if event(line, "step-started").get("step") == "load-first":
            return
    pytest.fail("the load never began")


def event(line: str, wanted: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    return found if found["type"] == wanted else {}


def run(world: World, *arguments: str) -> tuple[int, str, str]:
    with start(world, *arguments) as process:
        out, err = process.communicate()
    return process.returncode, out, err


def goes_on_and_ends(world: World) -> None:
    assert run(world, "plan", "--detailed-exitcode")[0] == 2
    assert run(world, "apply", "--auto-approve")[0] == 0
    assert run(world, "plan", "--detailed-exitcode")[0] == 0
    statement = "SELECT (SELECT count(*) FROM first) AS first, (SELECT count(*) FROM second) AS second"
    code, out, err = run(world, "sql", "-c", "people", "--format", "csv", statement)
    assert (code, out.split(), err) == (0, ["first,second", f"{PEOPLE},{PEOPLE}"], "")


def test_ctrl_c_once_ends_the_running_step_and_begins_no_other(world: World) -> None:
    with start(world, "apply", "--auto-approve", "--format", "json") as process:
        until_loading(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    lines = out.splitlines()
    assert process.returncode == 7, err
    assert [event(line, "operation-finished").get("verb") for line in lines].count("load") == 1
    assert [event(line, "operation-skipped").get("because") for line in lines].count("a stop was asked for") == 1
    assert event(lines[-1], "apply-finished")["skipped"] == 1
    assert "Stopping after the running steps" in err
    assert "Run apply again" in err
    goes_on_and_ends(world)


@pytest.mark.parametrize("pause", [False, True], ids=["while the step runs", "as the command ends"])
def test_ctrl_c_twice_is_out_at_once_and_still_resumable(world: World, pause: bool) -> None:
    with start(world, "apply", "--auto-approve", "--format", "json") as process:
        until_loading(process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "Press Ctrl-C again" in process.stderr.readline()
        if pause:
            assert process.stdout is not None
            while (line := process.stdout.readline()) and not event(line, "apply-finished"):
                pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    assert process.returncode == 7, err
    assert "Traceback" not in err
    assert ("apply-finished" in out) is False
    goes_on_and_ends(world)


def test_an_apply_reports_under_the_id_of_the_saved_plan(world: World) -> None:
    assert run(world, "plan", "--out", str(world.folder / "saved"))[0] == 0
    _, shown, _ = run(world, "show", "--format", "json", str(world.folder / "saved"))
    code, out, err = run(world, "apply", "--format", "json", str(world.folder / "saved"))

    assert code == 0, err
    assert event(out.splitlines()[0], "apply-started")["planId"] == json.loads(shown)["planId"]
