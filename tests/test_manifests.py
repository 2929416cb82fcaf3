"""Every example in ``manifests/`` plans, applies, and then plans to nothing (PS1, PS5)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent.relative_to(ROOT / "manifests") for path in ROOT.glob("manifests/**/reconciler.yaml"))
LINES = 2_000


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the example, with the first lines of each of its data files: all of them take a demo's time."""
    source = ROOT / "manifests" / request.param
    copy = tmp_path / "project"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".reconciler", "data"))
    (copy / "data").mkdir()
    for path in (source / "data").glob("*.csv"):
        with path.open("rb") as lines:
            (copy / "data" / path.name).write_bytes(b"".join(islice(lines, LINES)))
    if request.param == Path("quickstart") and not list((copy / "data").iterdir()):
        if os.environ.get("CI") == "true":
            pytest.fail("the flights data is missing: make setup fetches it, and under CI=true nothing is skipped")
        pytest.skip("the flights data is not here: make setup fetches it")
    return copy


def reconciler(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, with no variable of ours set."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECONCILER_")}
    environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in (ROOT, ROOT / "plugins"))
    return subprocess.run(
        [sys.executable, "-m", "reconciler", "-C", str(project), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_there_are_examples() -> None:
    assert Path("quickstart") in EXAMPLES


@pytest.mark.parametrize("project", EXAMPLES, ids=str, indirect=True)
def test_an_example_plans_applies_and_then_plans_to_nothing(project: Path) -> None:
    for arguments, code in (
        (("validate",), 0),
        (("plan", "--detailed-exitcode"), 2),
        (("apply", "--auto-approve"), 0),
        (("plan", "--detailed-exitcode"), 0),
        (("drift",), 0),
    ):
        done = reconciler(project, *arguments)
        assert done.returncode == code, f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("project", [Path("quickstart")], ids=str, indirect=True)
def test_an_answer_comes_alone_on_stdout_and_with_nothing_on_stderr(project: Path) -> None:
    assert reconciler(project, "apply", "--auto-approve").returncode == 0
    done = reconciler(project, "sql", "-c", "flights", "--format", "csv", "SELECT count(*) AS flights FROM flights")

    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["flights", str(LINES - 1)], "")
