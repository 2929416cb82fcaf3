"""The project seal: made once, whole, private, and never written again."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from reconciler.envelope.mac import HmacSha256
from reconciler.errors import DamagedStore, HostError
from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Mac
from reconciler.state.seal import create_seal, find_seal, open_seal
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.fakes import SeededRandom
from reconciler.testing.fault import Moment

FS = OsFs()


def tag(mac: Mac | None) -> bytes:
    assert mac is not None
    return mac.tag("test", b"message")


def test_a_seal_is_made_once_and_opens_the_same(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    assert create_seal(FS, SystemRandom(), home)
    first = tag(open_seal(FS, home))
    assert not create_seal(FS, SystemRandom(), home)
    assert tag(find_seal(FS, home)) == first
    assert [each.name for each in home.iterdir()] == ["seal.key"]


def test_two_homes_have_two_seals(tmp_path: Path) -> None:
    for name in ("a", "b"):
        create_seal(FS, SystemRandom(), tmp_path / name)
    assert tag(open_seal(FS, tmp_path / "a")) != tag(open_seal(FS, tmp_path / "b"))


def test_its_tag_is_hmac_sha256_under_the_files_key(tmp_path: Path) -> None:
    create_seal(FS, SeededRandom(7), tmp_path)
    assert isinstance(open_seal(FS, tmp_path), HmacSha256)
    content = (tmp_path / "seal.key").read_bytes()
    assert content == b"reconciler seal 1\n" + SeededRandom(7).bytes(32)


def test_the_file_is_its_owners_only(tmp_path: Path) -> None:
    create_seal(FS, SystemRandom(), tmp_path / "home")
    path = tmp_path / "home" / "seal.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(HostError, match="can be read by others: its mode is 0640") as refused:
        find_seal(FS, tmp_path / "home")
    assert f"chmod 600 {path}" in (refused.value.suggestion or "")


def test_of_many_that_make_it_at_once_one_does_and_all_have_the_same(tmp_path: Path) -> None:
    home = tmp_path / "home"
    start = threading.Barrier(8)
    made: list[bool] = []
    tags: list[bytes] = []

    def make() -> None:
        start.wait()
        made.append(create_seal(FS, SystemRandom(), home))
        tags.append(tag(open_seal(FS, home)))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made.count(True), len(made), len(set(tags))) == (1, 8, 1)


@pytest.mark.parametrize(
    "content", [b"", b"reconciler seal 1\n", b"reconciler seal 2\n" + bytes(32), b"reconciler seal 1\n" + bytes(33)]
)
def test_a_damaged_seal_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seal.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(DamagedStore, match="project seal"):
        open_seal(FS, tmp_path)
    assert not create_seal(FS, SystemRandom(), tmp_path)
    assert path.read_bytes() == content


def test_without_one_there_is_none_and_opening_says_what_to_do(tmp_path: Path) -> None:
    assert find_seal(FS, tmp_path) is None
    with pytest.raises(HostError, match="no project seal") as refused:
        open_seal(FS, tmp_path)
    assert "reconciler init" in (refused.value.suggestion or "")


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_call_is_reported_and_the_next_try_succeeds(
    tmp_path: Path, number: int, moment: Moment
) -> None:
    counted = disk_fault(number)
    create_seal(FailingFs(FS, counted), SystemRandom(), tmp_path / "counted")
    for at in range(len(counted.calls)):
        home = tmp_path / f"home-{at}"
        with pytest.raises(HostError):
            create_seal(FailingFs(FS, disk_fault(number, at=at, moment=moment)), SystemRandom(), home)
        create_seal(FS, SystemRandom(), home)
        open_seal(FS, home)
    assert at > 4
