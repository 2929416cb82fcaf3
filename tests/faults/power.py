"""A change on a disk that loses power at any moment: what was not synced may be gone, torn or out of order (T2).

Bulk files go through an ``Fs`` that records what it does on the real disk; metadata are SQLite's, whose files are
copied before each of those calls. A legal state is then what ``crash_states`` makes of the recording at one cut, beside
the stores as they were then. Each is looked at, and taken up by a plain apply.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Bytes
from reconciler.testing.crash_states import CrashState, crash_states
from reconciler.testing.recording_fs import RecordingFs
from tests import counts
from tests.faults import failpoints
from tests.faults.killing import Prepared
from tests.world import World

Stores = Mapping[Path, bytes]


def is_store(path: Path) -> bool:
    """Whether SQLite keeps it safe, and not we."""
    return any(part in path.name for part in (".db", ".making"))


class MirroringFs(OsFs):
    """The disk, and a recording of what was done to it; ``stores`` are the SQLite files as each cut found them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and not is_store(path)}
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        self.recording = RecordingFs(files, folders)
        self.stores: dict[int, Stores] = {}
        self._mirrored: dict[int, int] = {}

    def stores_at(self, cut: int) -> Stores:
        """The stores as they were found last before that cut."""
        return self.stores[max(number for number in self.stores if number <= cut)]

    def note(self) -> None:
        """Keep the stores as they are now, for the cut that is reached."""
        found = {path: path.read_bytes() for path in self.root.rglob("*.db*") if not path.name.endswith("-shm")}
        self.stores[len(self.recording.trace)] = found

    def _adopt(self, folder: Path) -> None:
        """A folder that SQLite's side has made, and synced in its parent."""
        if not self.recording.exists(folder):
            self._adopt(folder.parent)
            self.recording.mkdir(folder)
            self.recording.fsync_dir(folder.parent)

    def create(self, path: Path) -> int:
        self.note()
        self._adopt(path.parent)
        handle = super().create(path)
        self._mirrored[handle] = self.recording.create(path)
        return handle

    def write(self, handle: int, data: Bytes) -> None:
        self.note()
        super().write(handle, data)
        self.recording.write(self._mirrored[handle], data)

    def fsync(self, handle: int) -> None:
        self.note()
        super().fsync(handle)
        self.recording.fsync(self._mirrored[handle])

    def close(self, handle: int) -> None:
        super().close(handle)
        if handle in self._mirrored:
            self.recording.close(self._mirrored.pop(handle))

    def rename(self, source: Path, target: Path) -> None:
        self.note()
        super().rename(source, target)
        self.recording.rename(source, target)

    def unlink(self, path: Path) -> None:
        self.note()
        super().unlink(path)
        if not is_store(path):
            self.recording.unlink(path)

    def mkdir(self, path: Path) -> None:
        self.note()
        is_new = not path.exists()
        super().mkdir(path)
        if is_new:
            self._adopt(path.parent)
            self.recording.mkdir(path)

    def fsync_dir(self, path: Path) -> None:
        self.note()
        super().fsync_dir(path)
        self._adopt(path)
        self.recording.fsync_dir(path)


def recorded(prepared: Prepared, world: World) -> MirroringFs:
    """The change carried out to its end, recorded."""
    fs = MirroringFs(world.folder)
    replace(world, fs=fs).apply(**prepared.case.flags)
    fs.note()
    return fs


def lose_power(prepared: Prepared, chance: random.Random, most: int) -> None:
    """Every legal state after a power loss during the change, or ``most`` of them drawn by ``chance``."""
    with prepared.copied() as world:
        # By a process that has ended: nobody holds the lock that its power loss leaves.
        fs = failpoints.ended(lambda: recorded(prepared, world))
    states = list(_distinct(fs))
    counts.count("T2", legal_states=len(states))
    for state in chance.sample(states, min(most, len(states))):
        with prepared.copied() as world:
            _lay_out(world.folder, state, fs)
            try:
                prepared.check_as_left(world)
                prepared.check_recovered(world)
            except Exception as error:
                done = [type(one).__name__ for one in fs.recording.trace[: state.cut]]
                raise AssertionError(f"power lost after {state.cut} calls, the last of them {done[-3:]}") from error
            counts.count("T2", states_recovered=1)


def _distinct(fs: MirroringFs) -> Iterator[CrashState]:
    """States that differ in their files or in their stores."""
    seen: set[int] = set()
    for state in crash_states(fs.recording):
        stores = fs.stores_at(state.cut)
        key = hash((tuple(sorted(state.files.items())), tuple(sorted(stores.items())), state.folders))
        if key not in seen:
            seen.add(key)
            yield state


def _lay_out(folder: Path, state: CrashState, fs: MirroringFs) -> None:
    shutil.rmtree(folder)
    for path in state.folders:
        if path.is_relative_to(fs.root):
            (folder / path.relative_to(fs.root)).mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {path: content for path, content in state.files.items() if not is_store(path)}
    for path, content in {**kept, **fs.stores_at(state.cut)}.items():
        target = folder / path.relative_to(fs.root)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o600)
