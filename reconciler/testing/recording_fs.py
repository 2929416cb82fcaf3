"""An ``Fs`` in memory that records what was done to the disk, for ``crash_states`` to replay (RELIABILITY T2)."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.model.ports import Bytes

ROOT = 0


@dataclass(frozen=True, slots=True)
class Linked:
    """A new name for a new file or folder."""

    folder: int
    name: str
    inode: int
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes appended to a file."""

    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Synced:
    """A file's content made durable; not its name."""

    inode: int


@dataclass(frozen=True, slots=True)
class Renamed:
    """One atomic change: the name appears in the target folder and goes from the source folder."""

    source_folder: int
    source: str
    folder: int
    name: str
    inode: int


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A name removed."""

    folder: int
    name: str


@dataclass(frozen=True, slots=True)
class FolderSynced:
    """A folder's names made durable; not their content."""

    folder: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The product told somebody that this is done: from here on it must survive."""

    what: str


NameChange = Linked | Renamed | Unlinked
Operation = Linked | Written | Synced | Renamed | Unlinked | FolderSynced | Acknowledged


@dataclass(slots=True)
class Tree:
    """Inodes: ``folders`` hold names, ``files`` hold bytes. Inode 0 is the root folder."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    files: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> Tree:
        """The same, independent."""
        return Tree({inode: dict(names) for inode, names in self.folders.items()}, dict(self.files))


class RecordingFs:
    """Files in memory, given as absolute paths; ``trace`` is everything done since, ``base`` the durable start.

    What it was made with counts as durable, folders included.
    """

    def __init__(self, files: Mapping[Path, bytes] | None = None, folders: Iterable[Path] = ()) -> None:
        self._inodes = itertools.count(ROOT + 1)
        self._tree = Tree()
        self._handles: dict[int, int] = {}
        self._numbers = itertools.count(3)
        self.trace: list[Operation] = []
        for folder in folders:
            self.mkdir(folder)
        for path, content in (files or {}).items():
            self.mkdir(path.parent)
            self.write(self.create(path), content)
        self.trace.clear()
        self._handles.clear()
        self.base = self._tree.copy()

    def acknowledge(self, what: str) -> None:
        """Note in the trace that ``what`` was promised to somebody."""
        self.trace.append(Acknowledged(what))

    @property
    def files(self) -> dict[Path, bytes]:
        """Every file by its path, as a running process sees it."""
        return files_of(self._tree)

    @property
    def open_handles(self) -> int:
        """How many handles were not given back."""
        return len(self._handles)

    def create(self, path: Path) -> int:
        """See ``Fs.create``."""
        folder = self._folder(path.parent)
        if path.name in self._tree.folders[folder]:
            raise _error(errno.EEXIST, path)
        inode = next(self._inodes)
        self._tree.files[inode] = b""
        self._tree.folders[folder][path.name] = inode
        self.trace.append(Linked(folder, path.name, inode))
        return self._handle(inode)

    def write(self, handle: int, data: Bytes) -> None:
        """See ``Fs.write``."""
        inode, raw = self._handles[handle], bytes(data)
        self.trace.append(Written(inode, len(self._tree.files[inode]), raw))
        self._tree.files[inode] += raw

    def fsync(self, handle: int) -> None:
        """See ``Fs.fsync``."""
        self.trace.append(Synced(self._handles[handle]))

    def close(self, handle: int) -> None:
        """See ``Fs.close``."""
        del self._handles[handle]

    def open(self, path: Path) -> int:
        """See ``Fs.open``."""
        return self._handle(self._file(path))

    def read_into(self, handle: int, buffer: memoryview, offset: int) -> int:
        """See ``Fs.read_into``."""
        found = self._tree.files[self._handles[handle]][offset : offset + len(buffer)]
        buffer[: len(found)] = found
        return len(found)

    def size(self, path: Path) -> int:
        """See ``Fs.size``."""
        return len(self._tree.files[self._file(path)])

    def exists(self, path: Path) -> bool:
        """See ``Fs.exists``."""
        return self._find(path) is not None

    def rename(self, source: Path, target: Path) -> None:
        """See ``Fs.rename``."""
        inode = self._find(source)
        if inode is None:
            raise _error(errno.ENOENT, source)
        source_folder, folder = self._folder(source.parent), self._folder(target.parent)
        del self._tree.folders[source_folder][source.name]
        self._tree.folders[folder][target.name] = inode
        self.trace.append(Renamed(source_folder, source.name, folder, target.name, inode))

    def unlink(self, path: Path) -> None:
        """See ``Fs.unlink``."""
        self._file(path)
        folder = self._folder(path.parent)
        del self._tree.folders[folder][path.name]
        self.trace.append(Unlinked(folder, path.name))

    def mkdir(self, path: Path) -> None:
        """See ``Fs.mkdir``."""
        folder = ROOT
        for name in path.parts[1:]:
            names = self._tree.folders[folder]
            if name not in names:
                inode = next(self._inodes)
                self._tree.folders[inode] = {}
                names[name] = inode
                self.trace.append(Linked(folder, name, inode, is_folder=True))
            folder = names[name]
            if folder not in self._tree.folders:
                raise _error(errno.EEXIST, path)

    def listdir(self, path: Path) -> list[str]:
        """See ``Fs.listdir``."""
        return sorted(self._tree.folders[self._folder(path)])

    def fsync_dir(self, path: Path) -> None:
        """See ``Fs.fsync_dir``."""
        self.trace.append(FolderSynced(self._folder(path)))

    def _handle(self, inode: int) -> int:
        handle = next(self._numbers)
        self._handles[handle] = inode
        return handle

    def _find(self, path: Path) -> int | None:
        inode = ROOT
        for name in path.parts[1:]:
            names = self._tree.folders.get(inode, {})
            if name not in names:
                return None
            inode = names[name]
        return inode

    def _folder(self, path: Path) -> int:
        inode = self._find(path)
        if inode is None:
            raise _error(errno.ENOENT, path)
        if inode not in self._tree.folders:
            raise _error(errno.ENOTDIR, path)
        return inode

    def _file(self, path: Path) -> int:
        inode = self._find(path)
        if inode is None:
            raise _error(errno.ENOENT, path)
        if inode not in self._tree.files:
            raise _error(errno.EISDIR, path)
        return inode


def files_of(tree: Tree) -> dict[Path, bytes]:
    """Every file that can be reached from the root, by its path."""
    found: dict[Path, bytes] = {}
    pending = [(Path("/"), ROOT)]
    while pending:
        path, inode = pending.pop()
        for name, child in tree.folders[inode].items():
            if child in tree.folders:
                pending.append((path / name, child))
            else:
                found[path / name] = tree.files.get(child, b"")
    return found


def folders_of(tree: Tree) -> list[Path]:
    """Every folder that can be reached from the root, by its path, parents first."""
    found: list[Path] = []
    pending = [(Path("/"), ROOT)]
    while pending:
        path, inode = pending.pop()
        for name, child in tree.folders[inode].items():
            if child in tree.folders:
                found.append(path / name)
                pending.append((path / name, child))
    return found


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
