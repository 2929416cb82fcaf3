from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import Ran
from tests.command_line import run as run_in
from tests.commands.shop import MANIFESTS, Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of ``shop``."""
    for name in ("RECONCILER_HOME", "RECONCILER_PRINCIPAL", "RECONCILER_ENVIRONMENT", "RECONCILER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "shop"
    (project / "manifests").mkdir(parents=True)
    (project / "reconciler.yaml").write_text("home: .reconciler\n")
    (project / "manifests" / "world.yaml").write_text(MANIFESTS)
    return project


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a command in it."""

    def command(*arguments: str, stdin: str = "", terminal: bool = False) -> Ran:
        return run_in(folder, *arguments, stdin=stdin, terminal=terminal)

    return command


@pytest.fixture
def applied(run: Run) -> Run:
    """The same, once it was applied."""
    assert run("apply", "--auto-approve").code == 0
    return run
