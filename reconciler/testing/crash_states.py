"""Every legal state of a disk after a power loss, from what a ``RecordingFs`` saw (RELIABILITY C2, T2).

The model is POSIX without any kindness: a write that was not synced may be absent, present or torn at any sector, in
any order; holes read as zeros; a name that was not synced may be absent or present, whatever became of its content; a
rename is one atomic change; ``fsync`` of a file saves its content and not its name; ``fsync_dir`` saves names.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from reconciler.testing.recording_fs import (
    Acknowledged,
    FolderSynced,
    Linked,
    NameChange,
    Operation,
    RecordingFs,
    Renamed,
    Synced,
    Tree,
    Unlinked,
    Written,
    files_of,
    folders_of,
)

T = TypeVar("T")

SECTOR: Final = 512
CAP: Final = 64  # above this many subsets of what is pending, a sample stands for all
STATES_PER_CUT: Final = 4096


@dataclass(frozen=True, slots=True)
class CrashState:
    """The disk as the next process finds it. ``cut`` operations of the trace had happened; ``acknowledged`` is what had
    been promised by then."""

    cut: int
    acknowledged: tuple[str, ...]
    files: dict[Path, bytes]
    folders: tuple[Path, ...]

    def fs(self) -> RecordingFs:
        """A disk in this state, recording again: recovery can be cut as well (finding 2)."""
        return RecordingFs(self.files, self.folders)


def crash_states(fs: RecordingFs, *, sector: int = SECTOR, seed: int = 0) -> Iterator[CrashState]:
    """Each distinct state after each cut of the trace, before the first operation and after the last included.

    Exhaustive while what is pending has at most 2**6 subsets; beyond that every prefix, every one missing, every one
    alone, and a sample drawn from ``seed``.
    """
    rng = random.Random(seed)  # noqa: S311  # a repeatable sample of subsets, nothing secret
    durable = fs.base.copy()
    for operation in fs.trace:
        if isinstance(operation, Linked) and operation.is_folder:
            durable.folders[operation.inode] = {}  # an inode without a name: nothing reaches it until one is durable
    writes: dict[int, list[Written]] = {}
    changes: list[NameChange] = []
    acknowledged: tuple[str, ...] = ()
    for cut in range(len(fs.trace) + 1):
        if cut:
            operation = fs.trace[cut - 1]
            if isinstance(operation, Acknowledged):
                acknowledged = (*acknowledged, operation.what)
            else:
                changes = _advance(durable, writes, changes, operation)
        for files, folders in _distinct(durable, writes, changes, sector, rng):
            yield CrashState(cut, acknowledged, files, folders)


def _advance(
    durable: Tree, writes: dict[int, list[Written]], changes: list[NameChange], operation: Operation
) -> list[NameChange]:
    """Take one operation in: sync makes durable, all else is pending. The name changes that are pending then."""
    if isinstance(operation, Written):
        writes.setdefault(operation.inode, []).append(operation)
    elif isinstance(operation, Synced):
        content = bytearray(durable.files.get(operation.inode, b""))
        for written in writes.pop(operation.inode, ()):
            _put(content, written.offset, written.data)
        durable.files[operation.inode] = bytes(content)
    elif isinstance(operation, FolderSynced):
        mine = [change for change in changes if change.folder == operation.folder]
        _apply(durable, mine)
        return [change for change in changes if change.folder != operation.folder]
    elif isinstance(operation, Linked | Renamed | Unlinked):
        return [*changes, operation]
    return changes


def _distinct(
    durable: Tree, writes: dict[int, list[Written]], changes: list[NameChange], sector: int, rng: random.Random
) -> Iterator[tuple[dict[Path, bytes], tuple[Path, ...]]]:
    seen: set[int] = set()
    contents: dict[int, list[bytes]] = {}
    for subset in _subsets(changes, rng):
        tree = durable.copy()
        _apply(tree, subset)
        inodes = sorted(_reachable_files(tree))
        for inode in inodes:
            if inode not in contents:
                contents[inode] = _contents(durable.files.get(inode, b""), writes.get(inode, []), sector, rng)
        folders = tuple(folders_of(tree))
        for choice in itertools.islice(itertools.product(*(contents[i] for i in inodes)), STATES_PER_CUT):
            tree.files.update(zip(inodes, choice, strict=True))
            files = files_of(tree)
            key = hash((tuple(sorted(files.items())), folders))
            if key not in seen:
                seen.add(key)
                yield files, folders


def _reachable_files(tree: Tree) -> set[int]:
    return {inode for names in tree.folders.values() for inode in names.values() if inode not in tree.folders}


def _apply(tree: Tree, changes: Sequence[NameChange]) -> None:
    """Carry out the changes in order; one whose predecessor is missing still sets its own name."""
    for change in changes:
        names = tree.folders[change.folder]
        if isinstance(change, Unlinked):
            names.pop(change.name, None)
            continue
        names[change.name] = change.inode
        if isinstance(change, Renamed):
            source = tree.folders[change.source_folder]
            if source.get(change.source) == change.inode:
                del source[change.source]


def _contents(durable: bytes, writes: Sequence[Written], sector: int, rng: random.Random) -> list[bytes]:
    """What the file may hold: any subset of the sectors of its pending writes over what is durable."""
    pieces = [piece for written in writes for piece in _sectors(written, sector)]
    found: dict[bytes, None] = {}
    for subset in _subsets(pieces, rng):
        content = bytearray(durable)
        for offset, data in subset:
            _put(content, offset, data)
        found[bytes(content)] = None
    if pieces:  # the length may be durable while no content is
        end = max(offset + len(data) for offset, data in pieces)
        found[durable.ljust(end, b"\0")] = None
    return list(found)


def _sectors(written: Written, sector: int) -> Iterator[tuple[int, bytes]]:
    offset, data = written.offset, written.data
    while data:
        count = sector - offset % sector
        yield offset, data[:count]
        offset, data = offset + count, data[count:]


def _put(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _subsets(things: Sequence[T], rng: random.Random) -> Iterator[list[T]]:
    count = len(things)
    full = (1 << count) - 1
    if 1 << count <= CAP:
        masks: set[int] = set(range(full + 1))
    else:
        masks = {(1 << k) - 1 for k in range(count + 1)} | {full ^ (1 << k) for k in range(count)}
        masks |= {1 << k for k in range(count)} | {rng.getrandbits(count) for _ in range(CAP)}
    for mask in sorted(masks):
        yield [thing for k, thing in enumerate(things) if mask >> k & 1]
