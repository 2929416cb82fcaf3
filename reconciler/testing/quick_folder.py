"""Folders in which no test waits for a disk. They are in memory, where the machine has a place for that: what is killed
there is processes, and what a loss of power leaves is worked out by ``crash_states``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a new folder of ours alone is made in it
_ENOUGH: Final = 1 << 30  # containers often have 64 MiB


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A new folder of the caller's alone, that is gone afterwards."""
    is_there = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ENOUGH
    with tempfile.TemporaryDirectory(dir=_MEMORY if is_there else None) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """For a conftest, or a module, whose tests have a quick folder for pytest's own."""
    with quick_folder() as folder:
        yield folder
