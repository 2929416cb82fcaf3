"""Whose a file or folder is, and who else may read or change it: asked before a file is trusted with a decision."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reconciler.host.sqlite import explain_os_error


def changeable_by_others(path: Path) -> str | None:
    """How somebody other than this user and root could change ``path``, in words; None when nobody can.

    A folder with the sticky bit (``/tmp``) does not let others rename or remove what is ours.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise explain_os_error(error, path, "file") from error
    if found.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {found.st_uid}"
    is_shared_folder = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not is_shared_folder:
        return f"its mode is {stat.S_IMODE(found.st_mode):04o}"
    return None


def readable_by_others(path: Path) -> str | None:
    """How somebody other than its owner could open ``path``, in words; None when nobody can."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"its mode is {mode:04o}" if mode & 0o077 else None


def make_private(folder: Path) -> None:
    """Mode 0700 for a folder of ours. HostError when it is somebody else's."""
    try:
        if stat.S_IMODE(folder.stat().st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise explain_os_error(error, folder, "folder") from error
