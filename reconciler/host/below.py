"""What lies below a folder of ours, and who may open it: for whoever searches our own files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.host.sqlite import explain_os_error


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. ``mode`` are its permission bits; ``kind`` is ``file``, ``folder`` or ``other`` (a link, a
    socket): what we never make."""

    path: Path
    kind: str
    mode: int
    size: int


def below(folder: Path, *, skip: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """The folder itself and everything in it, in order, no link followed; folders called as in ``skip`` are named and
    not entered. What is removed meanwhile is left out; nothing when the folder is not there. HostError."""
    found = _entry(folder)
    if found is None:
        return
    yield found
    if found.kind == "folder" and folder.name not in skip:
        for name in _names(folder):
            yield from below(folder / name, skip=skip)


def directly_in(folder: Path, *, beginning: str = "") -> list[Entry]:
    """The entries of one folder whose names begin so (a store, SQLite's log beside it, a backup), in order.
    HostError."""
    found = [_entry(folder / name) for name in _names(folder) if name.startswith(beginning)]
    return [entry for entry in found if entry is not None]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise explain_os_error(error, folder, "folder") from error


def _entry(path: Path) -> Entry | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain_os_error(error, path, "file") from error
    kind = "folder" if stat.S_ISDIR(found.st_mode) else "file" if stat.S_ISREG(found.st_mode) else "other"
    return Entry(path, kind, stat.S_IMODE(found.st_mode), found.st_size)
