"""Every test gets a world of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler_warehouse.tests.worlds import World

MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of its own inside


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the machine has one: an fsync there costs nothing, and no test cuts the power."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def world(quick: Path) -> Iterator[World]:
    (quick / "files").mkdir()
    made = World(home=quick / "home", files=quick / "files")
    yield made
    made.reopen()
