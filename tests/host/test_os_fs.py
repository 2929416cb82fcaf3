"""The machine's files as ``Fs`` promises them; the recorder in memory makes the same promises."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Fs
from reconciler.testing.recording_fs import RecordingFs


@pytest.fixture(params=["machine", "recorder"])
def fs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fs]:
    yield OsFs() if request.param == "machine" else RecordingFs(folders=[tmp_path])


def put(fs: Fs, path: Path, content: bytes) -> None:
    handle = fs.create(path)
    fs.write(handle, content)
    fs.fsync(handle)
    fs.close(handle)


def test_what_is_written_is_read_at_any_offset(fs: Fs, tmp_path: Path) -> None:
    put(fs, tmp_path / "a", b"0123456789")
    handle = fs.open(tmp_path / "a")
    buffer = bytearray(4)
    assert fs.read_into(handle, memoryview(buffer), 8) == 2
    assert bytes(buffer[:2]) == b"89"
    assert fs.read_into(handle, memoryview(buffer), 3) == 4
    assert bytes(buffer) == b"3456"
    fs.close(handle)
    assert fs.size(tmp_path / "a") == 10


def test_what_is_written_in_bulk_is_read_as_it_was(tmp_path: Path) -> None:
    fs, part = OsFs(), bytes(range(256)) * 12_288  # 3 MiB: no stretch ends where a write does
    handle = fs.create(tmp_path / "a")
    for number in range(7):
        fs.write(handle, bytes([number]) + part)
    fs.fsync(handle)
    fs.close(handle)
    assert (tmp_path / "a").read_bytes() == b"".join(bytes([number]) + part for number in range(7))


def test_a_name_is_taken_once(fs: Fs, tmp_path: Path) -> None:
    put(fs, tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        fs.create(tmp_path / "a")


def test_absent_names_are_file_not_found(fs: Fs, tmp_path: Path) -> None:
    for call in (fs.open, fs.size, fs.unlink, fs.listdir):
        with pytest.raises(FileNotFoundError):
            call(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):
        fs.rename(tmp_path / "absent", tmp_path / "b")
    assert not fs.exists(tmp_path / "absent")


def test_rename_replaces_and_unlink_removes(fs: Fs, tmp_path: Path) -> None:
    put(fs, tmp_path / "a", b"new")
    put(fs, tmp_path / "b", b"old")
    fs.rename(tmp_path / "a", tmp_path / "b")
    assert fs.listdir(tmp_path) == ["b"]
    assert fs.size(tmp_path / "b") == 3
    fs.unlink(tmp_path / "b")
    assert fs.listdir(tmp_path) == []


def test_a_folder_is_made_with_its_parents_and_again_without_error(fs: Fs, tmp_path: Path) -> None:
    for _ in range(2):
        fs.mkdir(tmp_path / "x" / "y")
    fs.fsync_dir(tmp_path / "x")
    assert fs.listdir(tmp_path) == ["x"]
    put(fs, tmp_path / "file", b"")
    with pytest.raises(OSError):
        fs.mkdir(tmp_path / "file" / "below")


def test_files_are_private_and_so_are_all_new_folders(tmp_path: Path) -> None:
    fs = OsFs()
    before = os.umask(0)
    try:
        fs.mkdir(tmp_path / "x" / "y" / "z")
        put(fs, tmp_path / "x" / "a", b"")
    finally:
        os.umask(before)
    for folder in ("x", "x/y", "x/y/z"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "x/a").stat().st_mode) == 0o600


def test_symlinks_are_not_followed(tmp_path: Path) -> None:
    fs = OsFs()
    put(fs, tmp_path / "target", b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError):
        fs.open(tmp_path / "link")
    with pytest.raises(OSError):
        fs.create(tmp_path / "dangling")
    assert not (tmp_path / "nowhere").exists()


def test_what_the_system_cannot_say_is_not_taken_for_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a seal that cannot be looked at for a moment would be replaced by a new one (C3)."""

    def failing(path: object) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    assert not OsFs().exists(tmp_path / "a" / "b")
    monkeypatch.setattr(os, "lstat", failing)
    with pytest.raises(OSError, match="Input/output"):
        OsFs().exists(tmp_path)
