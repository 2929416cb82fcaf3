"""Every test gets a world of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.testing.quick_folder import quick_folder
from reconciler_warehouse.tests.online_worlds import CHANGES
from reconciler_warehouse.tests.worlds import World


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in which nothing waits for a disk; no test here cuts the power."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def world(quick: Path) -> Iterator[World]:
    (quick / "files").mkdir()
    made = World(home=quick / "home", files=quick / "files")
    yield made
    made.reopen()


@pytest.fixture(params=CHANGES, name="kind")
def each_kind_of_change(request: pytest.FixtureRequest) -> str:
    """Encrypt, decrypt and re-encrypt in turn."""
    return str(request.param)
