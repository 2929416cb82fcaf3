"""A key is found in a file in whatever spelling and wherever it stands, and nothing is found where none is (T13)."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.envelope.data_key import DataKey
from reconciler.host.os_fs import OsFs
from reconciler.planning.needles import CHUNK, MOST_CANARIES, OVERLAP, Needles, search

KEY = st.binary(min_size=32, max_size=32)
SPELLINGS = ("as it is", "hex", "HEX", "base64", "base64url")


def spelled(key: bytes, before: bytes, spelling: str) -> bytes:
    """The key inside a longer message, as a program that leaks it might write it."""
    if spelling == "as it is":
        return before + key
    if spelling in ("hex", "HEX"):
        text = (before + key).hex()
        return (text if spelling == "hex" else text.upper()).encode()
    return (base64.b64encode if spelling == "base64" else base64.urlsafe_b64encode)(before + key + b"tail")


@given(KEY, st.binary(max_size=7), st.sampled_from(SPELLINGS), st.binary(max_size=40))
def test_a_key_is_found_whatever_stands_before_it(key: bytes, before: bytes, spelling: str, around: bytes) -> None:
    needles = Needles()
    needles.add_key(DataKey(key))
    content = around + b" " + spelled(key, before, spelling) + b" " + around
    assert list(needles.found_in(content, with_canaries=True))


@given(st.lists(KEY, min_size=1, max_size=4, unique=True), st.binary(max_size=300))
def test_nothing_is_found_where_no_key_is(keys: list[bytes], content: bytes) -> None:
    needles = Needles()
    for key in keys:
        needles.add_key(DataKey(key))
    is_there = any(key in content for key in keys)
    assert bool(list(needles.found_in(content, with_canaries=True))) is is_there


@pytest.mark.parametrize("at", [0, 1, CHUNK - 16, CHUNK, CHUNK + OVERLAP - 1, 2 * CHUNK + 3])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_is_found_across_the_seams_of_the_search(tmp_path: Path, at: int, spelling: str) -> None:
    key = bytes(range(100, 132))
    needles = Needles()
    needles.add_key(DataKey(key))
    path = tmp_path / "log"
    path.write_bytes(b" " * at + spelled(key, b"", spelling) + b" " * 100)
    ((offset, form),) = search(OsFs(), path, needles, with_canaries=False)
    assert offset == at
    assert form.startswith("a key that opens data")


def test_values_are_looked_for_where_asked_and_are_bounded(tmp_path: Path) -> None:
    needles = Needles()
    for number in range(MOST_CANARIES + 50):
        needles.add_canary(f"a value of {number:08d}".encode())
    assert len(needles.canaries) == MOST_CANARIES
    path = tmp_path / "log"
    path.write_bytes(b"here a value of 00000007 stands")
    assert list(search(OsFs(), path, needles, with_canaries=True)) == [(5, "a value that is stored sealed")]
    assert list(search(OsFs(), path, needles, with_canaries=False)) == []
    needles.wipe()
    assert list(search(OsFs(), path, needles, with_canaries=True)) == []


def test_the_same_key_is_kept_once() -> None:
    needles = Needles()
    for _ in range(3):
        needles.add_key(DataKey(bytes(range(32))))
    assert len(needles.keys) == 1
