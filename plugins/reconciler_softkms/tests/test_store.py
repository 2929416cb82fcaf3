"""The store and its seal key: made once, shared, read without being written, never replaced (DESIGN 4 and 5, I2)."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import DamagedStore, DisabledException, HostError, NewerFormat, ReconcilerError
from reconciler.providers.keys import KeyRequest, KeyState
from reconciler_softkms import SoftKms
from reconciler_softkms.sealing import seal_file
from reconciler_softkms.tests.conftest import ACCOUNT, REGION, Opened

FOLDER = Path("softkms") / ACCOUNT / REGION


@pytest.fixture
def folder(home: Path) -> Path:
    return home / FOLDER


def test_looking_makes_no_store(provider: SoftKms, caller: Caller, home: Path) -> None:
    assert provider.list_keys(caller) == []
    assert provider.describe_keys(caller, ["x"]) == {}
    assert provider.list_aliases(caller) == []
    assert provider.get_key_policies(caller, ["x"]) == {}
    assert provider.find_key(caller, token=home.name) is None
    assert list(provider.audit_events()) == []
    assert not home.exists()


def test_files_are_ours_alone(provider: SoftKms, caller: Caller, folder: Path) -> None:
    provider.create_key(caller, KeyRequest(), token=folder.name)
    assert {path.name for path in folder.iterdir()} >= {"keys.db", "seal.key"}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_written_is_still_read(
    opened: Opened, caller: Caller, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened()
    key = first.create_key(caller, KeyRequest(), token=folder.name)
    first.close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(os, "access", lambda *_: False)
    reader = opened()
    assert reader.describe_keys(caller, [key.arn])[key.arn] == key
    assert reader.list_keys(caller) == [key]
    reader.close()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_full_disk_keeps_nobody_from_looking_but_keys_stay_unused(
    provider: SoftKms, caller: Caller, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = provider.create_key(caller, KeyRequest(), token=folder.name)

    def full(*_: object, **__: object) -> None:
        raise HostError("no space left on the device")

    monkeypatch.setattr("reconciler_softkms.audit_chain.Chain.append", full)
    monkeypatch.setattr("reconciler.host.spool.Spool.append", full)
    assert provider.describe_keys(caller, [key.arn])[key.arn] == key
    with pytest.raises(HostError):
        provider.encrypt(caller, key.arn, b"x", {})
    with pytest.raises(HostError):
        provider.disable_key(caller, key.arn)
    monkeypatch.undo()
    assert provider.describe_keys(caller, [key.arn])[key.arn].state is KeyState.ENABLED


BROKEN: dict[str, tuple[Callable[[bytes], bytes | None], type[ReconcilerError], str]] = {
    "missing": (lambda _: None, DamagedStore, "is missing"),
    "empty": (lambda _: b"", DamagedStore, "is not a seal key"),
    "foreign": (lambda _: b"-----BEGIN PRIVATE KEY-----", DamagedStore, "is not a seal key"),
    "cut short": (lambda raw: raw[:-1], DamagedStore, "is damaged"),
    "longer": (lambda raw: raw + b"\0", DamagedStore, "is damaged"),
    "one bit off": (lambda raw: raw[:30] + bytes([raw[30] ^ 1]) + raw[31:], DamagedStore, "is damaged"),
    "newer": (lambda raw: raw[:6] + b"\0\2" + raw[8:], NewerFormat, "has format 2"),
    "another store's": (lambda _: another_seal(), DamagedStore, "belongs to another key store"),
    "another key by the same id": (lambda raw: another_seal(raw[8:24]), DamagedStore, "belongs to another key store"),
}


def another_seal(seal_id: bytes = bytes(16)) -> bytes:
    body = seal_file.MAGIC + b"\0\1" + seal_id + bytes(32)
    return body + seal_file._check(body)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_seal_key_is_one_error_and_never_a_new_key(
    opened: Opened, caller: Caller, folder: Path, how: str
) -> None:
    first = opened()
    key = first.create_key(caller, KeyRequest(), token=how)
    first.close()
    breaking, error, words = BROKEN[how]
    path = folder / "seal.key"
    good = path.read_bytes()
    broken = breaking(good)
    path.unlink()
    if broken is not None:
        path.write_bytes(broken)
    second = opened()
    for call in (
        lambda: second.create_key(caller, KeyRequest(), token="another"),
        lambda: second.generate_data_key(caller, key.arn, {}),
        lambda: second.rotate_key(caller, key.arn, token="another"),
    ):
        with pytest.raises(error, match=words) as refused:
            call()
        assert refused.value.suggestion
    assert second.describe_keys(caller, [key.arn])[key.arn] == key, "looking needs no seal key"
    assert (path.read_bytes() if path.exists() else None) == broken, "left as it was"
    path.write_bytes(good)
    assert second.generate_data_key(caller, key.arn, {}).key_arn == key.arn


def test_a_lost_store_is_not_begun_anew_beside_its_seal_key(opened: Opened, caller: Caller, folder: Path) -> None:
    first = opened()
    first.create_key(caller, KeyRequest(), token=folder.name)
    first.close()
    for path in folder.glob("keys.db*"):
        path.unlink()
    with pytest.raises(DamagedStore, match="is missing, but its seal key is there"):
        opened().create_key(caller, KeyRequest(), token=folder.name)


def test_a_damaged_store_is_one_error(opened: Opened, caller: Caller, folder: Path) -> None:
    first = opened()
    first.create_key(caller, KeyRequest(), token=folder.name)
    first.close()
    (folder / "keys.db").write_bytes(b"x" * 8192)
    for call in (opened().list_keys, lambda who: opened().create_key(who, KeyRequest(), token=folder.name)):
        with pytest.raises(DamagedStore, match="damaged"):
            call(caller)


def test_processes_that_begin_together_make_one_seal_key(opened: Opened, caller: Caller, folder: Path) -> None:
    ready, go = os.pipe()

    def begin(number: int) -> None:
        os.read(ready, 1)
        mine = opened(seed=f"process {number}")
        key = mine.create_key(caller, KeyRequest(), token=f"key {number}")
        mine.create_key(caller, KeyRequest(), token="the same")
        mine.decrypt(caller, mine.generate_data_key(caller, key.arn, {}).wrapped, {})
        mine.close()

    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            try:
                begin(number)
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    os.write(go, b"x" * len(children))
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    os.close(ready)
    os.close(go)
    last = opened()
    keys = last.list_keys(caller)
    assert len(keys) == 7, "one for each process and one for the token that all shared"
    for key in keys:
        last.encrypt(caller, key.arn, b"x", {})
    assert [path.name for path in folder.iterdir() if path.name.startswith(".seal")] == []


def test_what_one_process_forbids_no_other_does(opened: Opened, caller: Caller) -> None:
    """Open material stays in memory; whether the key may be used is read every time."""
    mine, other = opened(), opened()
    key = mine.create_key(caller, KeyRequest(), token="shared")
    sealed = other.encrypt(caller, key.arn, b"x", {})
    mine.disable_key(caller, key.arn)
    with pytest.raises(DisabledException):
        other.decrypt(caller, sealed, {})
    mine.enable_key(caller, key.arn)
    material = mine.rotate_key(caller, key.arn, token="shared")
    assert other.decrypt(caller, other.encrypt(caller, key.arn, b"x", {}), {}).material_id == material


def test_threads_share_one_provider(provider: SoftKms, caller: Caller) -> None:
    keys = [provider.create_key(caller, KeyRequest(), token=f"thread {n}") for n in range(4)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(12):
                key = keys[(number + turn) % 4]
                wrapped = provider.generate_data_key(caller, key.arn, {"n": str(turn)})
                assert provider.decrypt(caller, wrapped.wrapped, {"n": str(turn)}).plaintext == wrapped.plaintext
                provider.tag_resource(caller, key.arn, {f"t{number}": str(turn)})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = provider.describe_keys(caller, [key.arn for key in keys])
    assert [len(key.tags) for key in found.values()] == [6] * 4, "no thread undid another's change"
