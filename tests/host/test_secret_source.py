"""Secrets that a person hands over: only from where nobody else could have read or changed them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import HostError
from reconciler.host.secret_source import MOST_BYTES, read_secret_descriptor, read_secret_file

SECRET = b"\x01secret bytes\n"


def private(folder: Path, content: bytes = SECRET, mode: int = 0o600) -> Path:
    path = folder / "material"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_read_byte_for_byte(mode: int, tmp_path: Path) -> None:
    assert bytes(read_secret_file(private(tmp_path, mode=mode))) == SECRET


def linked(folder: Path) -> Path:
    (folder / "link").symlink_to(private(folder))
    return folder / "link"


def piped(folder: Path) -> Path:
    os.mkfifo(folder / "pipe", 0o600)
    return folder / "pipe"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "one that is not there": (lambda folder: folder / "none", "No such file"),
    "one that its group reads": (lambda folder: private(folder, mode=0o640), "its mode is 0640"),
    "one that others write": (lambda folder: private(folder, mode=0o602), "its mode is 0602"),
    "a link": (linked, "Too many levels of symbolic links"),
    "a folder": (lambda folder: folder, "is no plain file"),
    "a pipe, at which nobody waits": (piped, "is no plain file"),
    "an empty one": (lambda folder: private(folder, b""), "holds nothing"),
    "one that is no key": (lambda folder: private(folder, b"x" * (MOST_BYTES + 1)), "holds more than"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_any_other_file_is_refused_without_a_word_of_what_it_holds(case: str, tmp_path: Path) -> None:
    make, why = REFUSED[case]
    with pytest.raises(HostError, match=why) as refused:
        read_secret_file(make(tmp_path))
    assert "secret bytes" not in f"{refused.value} {refused.value.suggestion}"


def test_a_descriptor_is_read_to_its_end_and_gives_nothing_twice() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, SECRET)
        os.close(writing)
        assert bytes(read_secret_descriptor(reading)) == SECRET
        with pytest.raises(HostError, match="holds nothing"):
            read_secret_descriptor(reading)
    finally:
        os.close(reading)


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    with pytest.raises(HostError, match="Descriptor 1023 cannot be read"):
        read_secret_descriptor(1023)
