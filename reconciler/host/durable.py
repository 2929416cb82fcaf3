"""Whole files, durably: read, write once, replace, make a folder (I4, I15). Composed from ``Fs`` calls, nothing else.

Shown to survive every legal state after a power loss by ``reconciler.testing.crash_states`` (RELIABILITY T2).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.model.ports import Bytes, Fs, Random

_CHUNK: Final = 1 << 20


def read(fs: Fs, path: Path) -> bytes:
    """The whole file. FileNotFoundError when absent.

    Read through one handle to its end: asking the name for its size would mix two files when ``replace`` runs
    meanwhile.
    """
    handle = fs.open(path)
    try:
        content = bytearray()
        while True:
            chunk = bytearray(_CHUNK)
            count = fs.read_into(handle, memoryview(chunk), len(content))
            content += chunk[:count]
            if count < _CHUNK:
                return bytes(content)
    finally:
        fs.close(handle)


def write_new(fs: Fs, path: Path, chunks: Iterable[Bytes]) -> None:
    """A new file whose content is durable before this returns, and its name too.

    The caller chooses a name that was never used (a uid), so no live file is ever written again (I4). After an error no
    file of that name is left behind by this call, unless the system refuses even its removal; a power loss may leave
    part of it. Its folder must be durable (``make_folder``).
    """
    _write(fs, path, chunks)
    try:
        fs.fsync_dir(path.parent)
    except BaseException:
        _remove(fs, path)
        raise


def replace(fs: Fs, path: Path, content: Bytes, random: Random) -> None:
    """Give ``path`` this content, so that a crash leaves the old or the new, whole (I15).

    After an error it has the old or the new content; only when the very last call fails, the new one. A crash may
    leave a hidden temporary file of a random name, which nothing reads and nothing meets again.
    """
    temporary = path.with_name(f".{path.name}.{random.bytes(6).hex()}")
    # The name of the temporary file need not be durable, only its content: the rename is one change of one folder.
    _write(fs, temporary, [content])
    try:
        fs.rename(temporary, path)
    except BaseException:
        _remove(fs, temporary)
        raise
    fs.fsync_dir(path.parent)


def make_folder(fs: Fs, path: Path) -> None:
    """The folder and its parents, durable before this returns: a durable file in a folder that a power loss takes away
    is lost with it."""
    missing = []
    folder = path
    while not fs.exists(folder):
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        fs.mkdir(folder)
        fs.fsync_dir(folder.parent)


def _write(fs: Fs, path: Path, chunks: Iterable[Bytes]) -> None:
    """``path`` with durable content and a name that is not durable yet; no file after an error."""
    handle = fs.create(path)
    try:
        try:
            for chunk in chunks:
                fs.write(handle, chunk)
            fs.fsync(handle)
        except BaseException:
            with suppress(OSError):  # the first error is the one to report
                fs.close(handle)
            raise
        fs.close(handle)  # an error of close counts: some file systems report a lost write only here (C3)
    except BaseException:
        _remove(fs, path)
        raise


def _remove(fs: Fs, path: Path) -> None:
    """Remove what a failed call made; the error that is being raised matters more than one of the removal."""
    with suppress(OSError):
        fs.unlink(path)
