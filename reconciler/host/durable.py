"""Whole files, durably: read, write once, replace (I4, I15). Composed from ``Fs`` calls and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reconciler.model.ports import Bytes, Fs, Random


def read(fs: Fs, path: Path) -> bytes:
    """The whole file. FileNotFoundError when absent."""
    handle = fs.open(path)
    try:
        content = bytearray(fs.size(path))
        count = fs.read_into(handle, memoryview(content), 0)
        return bytes(content[:count])
    finally:
        fs.close(handle)


def write_new(fs: Fs, path: Path, chunks: Iterable[Bytes]) -> None:
    """A new file whose content is durable before its name is, and whose name is durable before this returns.

    The caller chooses a name that was never used (a uid), so no live file is ever written again (I4). After an error no
    file of that name is left behind by this call.
    """
    handle = fs.create(path)
    try:
        try:
            for chunk in chunks:
                fs.write(handle, chunk)
            fs.fsync(handle)
        finally:
            fs.close(handle)
    except BaseException:
        fs.unlink(path)
        raise
    fs.fsync_dir(path.parent)


def replace(fs: Fs, path: Path, content: Bytes, random: Random) -> None:
    """Give ``path`` this content, so that a crash leaves the old or the new, whole (I15)."""
    temporary = path.with_name(f".{path.name}.{random.bytes(6).hex()}")
    write_new(fs, temporary, [content])
    try:
        fs.rename(temporary, path)
    except BaseException:
        fs.unlink(temporary)
        raise
    fs.fsync_dir(path.parent)
