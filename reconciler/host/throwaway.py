"""A folder of our own for as long as a process wants it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def throwaway_folder(prefix: str) -> Iterator[Path]:
    """A new folder (0700) below the system's place for temporary files, removed with all that is in it at the end. A
    killed process leaves it to whoever tidies that place."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def empty_folder(folder: Path) -> None:
    """Remove all that is in it. OSError."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
