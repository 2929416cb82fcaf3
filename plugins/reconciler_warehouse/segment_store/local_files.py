"""Segments as files of one folder of this machine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from reconciler.host.durable import make_folder, write_new
from reconciler.host.sqlite import explain_os_error
from reconciler.model.ports import Fs
from reconciler_warehouse.segment_store.protocol import SegmentHandle
from reconciler_warehouse.segment_store.ranges import ends
from reconciler_warehouse.segment_store.segment_names import checked


class LocalFiles:
    """See ``SegmentStore``. The folder is made by the first write."""

    def __init__(self, fs: Fs, folder: Path, catalogue: Path) -> None:
        self._fs = fs
        self._folder = folder
        self._catalogue = catalogue
        self._is_durable = False  # whether this process has made sure of the folder

    def write(self, name: str, chunks: Iterable[memoryview]) -> None:
        """See ``SegmentStore``."""
        path = self._path(name)
        with _explained(path):
            self._make_folder()
            write_new(self._fs, path, chunks)

    def open(self, name: str) -> SegmentHandle:
        """See ``OpensSegments``."""
        path = self._path(name)
        with _explained(path, absent_is_news=True):
            return _OpenFile(self._fs, path)

    def remove(self, names: Collection[str]) -> None:
        """See ``SegmentStore``."""
        for name in names:
            path = self._path(name)
            with _explained(path), contextlib.suppress(FileNotFoundError):
                self._fs.unlink(path)
        with _explained(self._folder, "folder of segments"), contextlib.suppress(FileNotFoundError):
            self._fs.fsync_dir(self._folder)

    def names(self) -> list[str]:
        """See ``SegmentStore``."""
        with _explained(self._folder, "folder of segments"), contextlib.suppress(FileNotFoundError):
            return self._fs.listdir(self._folder)
        return []

    def ends_of(self, names: Collection[str], count: int) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
        """See ``SegmentStore``."""
        for name in names:
            path = self._folder / Path(name).name
            with contextlib.suppress(FileNotFoundError), _explained(path, absent_is_news=True):
                with contextlib.closing(_OpenFile(self._fs, path)) as opened:
                    found = ends(opened, count)
                yield name, found

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _path(self, name: str) -> Path:
        return self._folder / checked(name, self._catalogue)

    def _make_folder(self) -> None:
        """The folder of the files, durable: a power loss that took it would take every durable file in it (C2). Its
        name is synced once in a process even when it is there, since whoever made it may have been killed before
        that."""
        if not self._is_durable:
            make_folder(self._fs, self._folder)
            self._fs.fsync_dir(self._folder.parent)
            self._is_durable = True


class _OpenFile:
    """See ``SegmentHandle``."""

    def __init__(self, fs: Fs, path: Path) -> None:
        self._fs = fs
        self._path = path
        self._lock = threading.Lock()
        self._handle = fs.open(path)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """See ``SegmentHandle``."""
        try:  # once a block, so without a context manager
            return self._fs.read_into(self._handle, buffer, offset)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise explain_os_error(error, self._path, "segment") from error

    def size(self) -> int:
        """See ``SegmentHandle``."""
        with _explained(self._path, absent_is_news=True):
            return self._fs.size(self._path)

    def close(self) -> None:
        """See ``SegmentHandle``."""
        with self._lock:
            if self._handle >= 0:
                self._fs.close(self._handle)
                self._handle = -1


@contextlib.contextmanager
def _explained(path: Path, what: str = "segment", *, absent_is_news: bool = False) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if absent_is_news:
            raise
        raise explain_os_error(error, path, what) from error
    except OSError as error:
        raise explain_os_error(error, path, what) from error
