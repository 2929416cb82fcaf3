"""A spool outlives its process, and whatever a power loss leaves of it is read as far as it was written (C2)."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

import pytest

from reconciler.errors import HostError
from reconciler.host.spool import TAG_BYTES, Spool, Spooled, is_orphan, read_spool, remove_orphan, spools
from tests import counts

IDENTITY = bytes(range(16))
BODIES = [b"first", b"", b"x" * 700, b"the last of them"]
WHOLE = list(enumerate(BODIES, 1))
SECTOR = 512


def tag(message: bytes) -> bytes:
    return hashlib.blake2b(message, digest_size=TAG_BYTES, key=b"of this test").digest()


def written(folder: Path, bodies: list[bytes] = BODIES) -> Path:
    spool = Spool(folder, IDENTITY, tag, "test spool")
    for body in bodies:
        spool.append(body)
    spool.close(keep=True)
    (path,) = folder.glob("*.spool")
    return path


def read(folder: Path) -> Spooled:
    return read_spool(folder, IDENTITY.hex(), tag)


def test_what_was_taken_is_read_in_order_by_anybody(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert read(tmp_path) == Spooled(WHOLE, 0)
    assert path.stat().st_mode & 0o777 == 0o600
    assert spools(tmp_path) == [IDENTITY.hex()]


def test_what_was_moved_is_not_there_and_numbers_go_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path, IDENTITY, tag, "test spool")
    assert [spool.append(b"a"), spool.append(b"b")] == [1, 2]
    spool.clear()
    assert read(tmp_path).records == []
    assert spool.append(b"c") == 3
    assert read(tmp_path).records == [(3, b"c")]
    spool.close(keep=False)
    assert spools(tmp_path) == []


def test_any_end_of_it_may_be_missing(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        found = read(tmp_path)
        assert found.records == WHOLE[: len(found.records)]
        assert found.wrong_bytes == 0, "cut short is nobody's forgery"
    counts.count("T2", states_of_one_file=len(content))


def test_sectors_that_never_reached_the_disk_end_it(tmp_path: Path) -> None:
    """Nothing is synced, so any sector may be zeros, and any part of the end missing."""
    path = written(tmp_path, [os.urandom(300) for _ in range(8)])
    content = path.read_bytes()
    whole = read(tmp_path).records
    chance = random.Random(7)  # noqa: S311  # a choice of states that can be repeated
    states: set[bytes] = set()
    for _ in range(600):
        state = bytearray(content[: chance.randint(0, len(content))])
        for at in range(0, len(state), SECTOR):
            if chance.random() < 0.3:
                state[at : at + SECTOR] = bytes(len(state[at : at + SECTOR]))
        states.add(bytes(state))
    for each in states:
        path.write_bytes(each)
        found = read(tmp_path).records
        assert found == whole[: len(found)]
    counts.count("T2", states_of_one_file=len(states))


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_a_changed_byte_ends_it_there(tmp_path: Path, place: int) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    found = read(tmp_path)
    assert found.records == WHOLE[: len(found.records)]
    assert len(found.records) < len(WHOLE)


def test_what_comes_after_a_record_that_was_taken_out_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    content, head = path.read_bytes(), 12 + TAG_BYTES
    second = head + len(BODIES[0])
    third = second + head + len(BODIES[1])
    path.write_bytes(content[:second] + content[third:])
    assert read(tmp_path) == Spooled(WHOLE[:1], len(content) - third)
    path.write_bytes(content[second:])
    assert read(tmp_path) == Spooled(WHOLE[1:], 0), "numbers go on from what was moved before"


def test_records_of_another_spool_are_not_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.rename(tmp_path / f"{'ab' * 16}.spool")
    found = read_spool(tmp_path, "ab" * 16, tag)
    assert found.records == []
    assert found.wrong_bytes > 0


def test_a_living_processs_spool_is_not_removed_a_dead_ones_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, IDENTITY, tag, "test spool")
    spool.append(b"a")
    assert not is_orphan(tmp_path, spool.name)
    assert not remove_orphan(tmp_path, spool.name)
    spool.close(keep=True)
    assert is_orphan(tmp_path, spool.name)
    assert remove_orphan(tmp_path, spool.name)
    assert spools(tmp_path) == []
    assert remove_orphan(tmp_path, spool.name), "gone is gone"


def test_a_record_of_which_the_disk_takes_a_part_is_refused_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, IDENTITY, tag, "test spool")
    spool.append(b"before")
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:9]))
    with pytest.raises(HostError, match=os.strerror(errno.ENOSPC)):
        spool.append(b"too much")
    monkeypatch.undo()
    assert spool.append(b"after") == 2
    assert read(tmp_path) == Spooled([(1, b"before"), (2, b"after")], 0)
    spool.close(keep=False)
