"""A copy of the tree with one bug in it, and whether the test that should notice does (RELIABILITY T17)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_COPIED = ("reconciler", "plugins", "tests", "conftest.py", "pyproject.toml", "manifests")


@dataclass(frozen=True)
class Bug:
    """``old`` stands once in ``file``; with ``new`` in its place ``rule`` is broken, which ``caught`` (tests, separated
    by spaces) must notice."""

    rule: str
    file: str
    old: str
    new: str
    caught: str


def bugs() -> list[Bug]:
    """All that are written down."""
    found = tomllib.loads((Path(__file__).parent / "bugs.toml").read_text())
    return [Bug(**each) for each in found["bug"]]


def copy_tree(target: Path) -> Path:
    """The sources, without what running them left behind."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "data", ".reconciler", ".*_cache", ".hypothesis")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        else:
            shutil.copy2(source, target / name)
    (target / ".tools").symlink_to(ROOT / ".tools")  # what set-up brought for the HSM's tests
    return target


def is_noticed(bug: Bug, tree: Path) -> bool:
    """Whether the tests fail with the bug planted; it is taken out again."""
    path = tree / bug.file
    healthy = path.read_text()
    path.write_text(healthy.replace(bug.old, bug.new))
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *bug.caught.split()],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": f"{tree}:{tree / 'plugins'}"},
            capture_output=True,
            check=False,
        )
    finally:
        path.write_text(healthy)
    if done.returncode not in (0, 1):
        raise AssertionError(f"{bug.caught} could not be run:\n{done.stdout.decode()}")
    return done.returncode == 1
