"""Which object stores a warehouse ever wrote to: a small file for each, durable before the first object is.

Without it nobody would look for what lies on one that the config names no longer: segments that are to be removed, some
of them in clear (I18), would be forgotten.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from reconciler.host.durable import make_folder, read, replace
from reconciler.host.sqlite import translated
from reconciler.model.ports import Fs, Random

FOLDER: Final = "object-stores"
_NAMED: Final = 32  # hex digits of the SHA-256 of its URL, which is what the file holds


class FormerStores:
    """``configured`` is the URL of the one that is in use, if any: ``s3://BUCKET[/PREFIX]``."""

    def __init__(self, fs: Fs, warehouse: Path, random: Random, configured: str | None) -> None:
        self._fs = fs
        self._random = random
        self._configured = configured
        self._is_noted = False
        self.folder = warehouse / FOLDER

    def note(self) -> None:
        """Before anything is written to the configured one. HostError."""
        if self._configured is None or self._is_noted:
            return
        path, content = self.folder / _name_of(self._configured), self._configured.encode()
        with translated(path, "note of an object store"):
            make_folder(self._fs, self.folder)
            if not self._fs.exists(path) or read(self._fs, path) != content:
                replace(self._fs, path, content, self._random)
            self._fs.fsync_dir(self.folder)
        self._is_noted = True

    def others(self) -> dict[str, Path]:
        """URL → its file, of each that is not the configured one. HostError."""
        found: dict[str, Path] = {}
        with translated(self.folder, "folder of object stores"), suppress(FileNotFoundError):
            for name in self._fs.listdir(self.folder):
                url = read(self._fs, self.folder / name).decode(errors="replace")
                if name == _name_of(url) and url != self._configured:  # no half one of a crash
                    found[url] = self.folder / name
        return found


def _name_of(url: str) -> str:
    return sha256(url.encode()).hexdigest()[:_NAMED]
