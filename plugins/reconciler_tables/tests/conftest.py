"""Where the tests keep their homes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Memory where there is some: processes die here, the machine does not, and nobody need wait for the disk."""
    memory = Path("/dev/shm")  # noqa: S108  # the folder made in it is private
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)
