"""A folder of our own for as long as a process wants it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.host.process import Process, is_dead

_OWNER: Final = "owner"
_FOLDER: Final = "folder"


@contextmanager
def throwaway_folder(prefix: str) -> Iterator[Path]:
    """A new folder (0700) below the system's place for temporary files, removed with all that is in it at the end. What
    a killed process of this user left is removed by the next that asks for one with that prefix. OSError."""
    _remove_orphans(Path(tempfile.gettempdir()), prefix)
    made = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        us = Process.current()
        (made / _OWNER).write_text(json.dumps([us.host, us.boot_id, us.pid, us.started]))
        folder = made / _FOLDER
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(made, ignore_errors=True)


def empty_folder(folder: Path) -> None:
    """Remove all that is in it. OSError."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def remove_if_empty(folder: Path) -> None:
    """Remove the folder, unless something is in it. OSError but for that, and but for its absence."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            raise


def _remove_orphans(place: Path, prefix: str) -> None:
    us = Process.current()
    for path in place.glob(f"{prefix}*"):
        with suppress(OSError, ValueError, TypeError):  # whatever it is, it is not known to be a dead process's
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                continue
            host, boot_id, pid, started = json.loads((path / _OWNER).read_text())
            if us.sees(host, boot_id) and is_dead(int(pid), int(started)):
                shutil.rmtree(path, ignore_errors=True)
