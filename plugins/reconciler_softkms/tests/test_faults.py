"""Killed, failing and powerless at any point: a key is whole or was never made, and the same call ends it (I2, I11)."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore, HostError, ReconcilerError
from reconciler.host.os_fs import OsFs
from reconciler.providers.key_store import BackupDescription
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.testing.crash_states import crash_states
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.fault import Moment
from reconciler.testing.recording_fs import RecordingFs
from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_softkms import SoftKms, backup_file, restoring
from reconciler_softkms.sealing import seal_file
from reconciler_softkms.sealing.row import SealRow
from reconciler_softkms.tests.conftest import Opened
from reconciler_softkms.tests.killing import in_child

FOLDER = Path("/home/softkms/111122223333/eu-west-1")
SEAL = FOLDER / "seal.key"
Change = Callable[[SoftKms, Caller, str], object]


def create(kms: SoftKms, caller: Caller, key_id: str) -> object:
    return kms.create_key(caller, KeyRequest(tags={"a": "1"}), token=f"made beside {key_id}")


def rotate(kms: SoftKms, caller: Caller, key_id: str) -> object:
    return kms.rotate_key(caller, key_id, token=f"of {key_id}")


def name(kms: SoftKms, caller: Caller, key_id: str) -> object:
    return kms.create_alias(caller, "alias/name", key_id)


def grant(kms: SoftKms, caller: Caller, key_id: str) -> object:
    request = GrantRequest(key_id=key_id, grantee_principal="x.amazonaws.com", operations=("Decrypt",), name="one")
    return kms.create_grant(caller, request).grant_id


def own(kms: SoftKms, caller: Caller, _: str) -> object:
    return kms.owned_key(caller.via("redshift.amazonaws.com"), "redshift.amazonaws.com")


def destroy(kms: SoftKms, caller: Caller, key_id: str) -> object:
    """The waiting time of the other key is over: this change destroys it first."""
    kms.update_key_description(caller, key_id, "after the destruction")
    return kms.describe_keys(caller, [key_id])


CHANGES: dict[str, Change] = {change.__name__: change for change in (create, rotate, name, grant, own, destroy)}


class World:
    """A home with one key in use and one whose waiting time is over."""

    def __init__(self, opened: Opened, caller: Caller, clock: ManualClock, where: Path) -> None:
        self._opened = opened
        self._caller = caller
        self._original = self._where = where
        kms = self.open("first")
        self.key = kms.create_key(caller, KeyRequest(), token="kept").key_id
        self.sealed = kms.encrypt(caller, self.key, b"text", {})
        dying = kms.create_key(caller, KeyRequest(), token="dying").key_id
        kms.schedule_key_deletion(caller, dying, waiting_days=7)
        kms.close()
        clock.advance(days=7)

    def begin_again(self) -> None:
        """Back to the first day, in another place."""
        self._where = self._original.with_name(f"{self._where.name}'")
        shutil.copytree(self._original, self._where)

    def open(self, seed: str) -> SoftKms:
        return self._opened(where=self._where, seed=seed)

    def is_whole(self, change: Change) -> None:
        """The next process carries the change out, twice to the same end, and old and new ciphertext opens."""
        kms = self.open("next")
        assert change(kms, self._caller, self.key) == change(kms, self._caller, self.key)
        for sealed in (self.sealed, kms.encrypt(self._caller, self.key, b"text", {})):
            assert bytes(kms.decrypt(self._caller, sealed, {}).plaintext.expose_key_bytes()) == b"text"
        store = kms._door.store.writing()
        (materials,) = store.execute("SELECT count(*) FROM materials").fetchone()
        (keys,) = store.execute("SELECT count(*) FROM keys").fetchone()
        assert (keys, materials) == {"create": (2, 2), "own": (2, 2), "rotate": (1, 2)}.get(change.__name__, (1, 1))
        assert len(kms.list_grants(self._caller, self.key)) == (change is grant)
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kms.close()


def statements(world: World, caller: Caller, change: Change, stop: Callable[[int], bool]) -> int:
    """Carry the change out in a new process's place, with ``stop`` asked before each SQL statement; how many began."""
    count = 0

    def begin(_: str) -> bool:
        nonlocal count
        count += 1
        return stop(count)

    with watched_sqlite(begin):
        kms = world.open("stopped")
        try:
            change(kms, caller, world.key)
        finally:
            kms.close()
    return count


def killed(now: bool) -> bool:
    if now:
        os.kill(os.getpid(), signal.SIGKILL)
    return False


@pytest.mark.parametrize("what", CHANGES)
def test_killed_before_any_statement(
    opened: Opened, caller: Caller, clock: ManualClock, quick_path: Path, what: str
) -> None:
    change = CHANGES[what]

    world = World(opened, caller, clock, quick_path / "home")
    at = 0
    status = -signal.SIGKILL
    while status == -signal.SIGKILL:
        at += 1
        world.begin_again()
        status = in_child(lambda: statements(world, caller, change, lambda number: killed(number == at)))  # noqa: B023 - run at once
        world.is_whole(change)
    assert status == 0
    assert at > 10


@pytest.mark.parametrize("what", CHANGES)
def test_an_error_of_any_statement_is_one_of_ours_and_leaves_nothing_half_done(
    opened: Opened, caller: Caller, clock: ManualClock, quick_path: Path, what: str
) -> None:
    change = CHANGES[what]
    world = World(opened, caller, clock, quick_path / "home")
    at, failed = 0, True
    while failed:
        at += 1
        world.begin_again()
        try:
            failed = statements(world, caller, change, lambda number: number == at) >= at  # noqa: B023 - run at once
        except ReconcilerError:
            failed = True
        world.is_whole(change)
    assert at > 10


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_disk_that_fails_while_the_seal_key_is_made(
    opened: Opened, caller: Caller, quick_path: Path, number: int, moment: Moment
) -> None:
    at, struck = 0, True
    while struck:
        fault = disk_fault(number, at=at, moment=moment)
        kms = opened(where=quick_path / str(at), fs=FailingFs(OsFs(), fault))
        try:
            create(kms, caller, "")
        except ReconcilerError as error:
            stores = ("The seal key at ", "The key store at ", "The store of identity policies at ")
            assert error.summary.startswith(stores)
        struck = fault.struck
        kms.close()
        again = opened(where=quick_path / str(at), seed="again")
        assert create(again, caller, "") == create(again, caller, "")
        again.close()
        at += 1
    assert at > 6


def test_a_power_loss_leaves_the_seal_key_whole_or_absent() -> None:
    fs = RecordingFs(folders=[FOLDER])
    made = seal_file.make(fs, SEAL, SeededRandom("seal"))
    fs.acknowledge("the store may be bound to it")
    states = list(crash_states(fs))
    assert len(states) > 10
    for state in states:
        disk = state.fs()
        if disk.exists(SEAL):
            assert seal_file.read(disk, SEAL).key == made.key
        else:
            assert not state.acknowledged
            seal_file.sweep(disk, SEAL)
            again = seal_file.make(disk, SEAL, SeededRandom("seal"))
            assert set(disk.files) == {SEAL}
            assert again.key == made.key


def test_a_power_loss_leaves_the_seal_that_counts_in_place() -> None:
    """A new seal file beside the old one, and taking its name: whichever row the store has, its seal is there."""
    fs = RecordingFs(folders=[FOLDER])
    file = seal_file.SealFile(fs, SEAL, SeededRandom("seal"))
    old = file.make(beside=False)
    before = SealRow(old.seal_id, old.kind, old.parameters, b"", 1, None)
    fs.acknowledge("bound")
    new = file.make(beside=True)
    after = SealRow(new.seal_id, new.kind, new.parameters, b"", 2, old.seal_id)
    fs.acknowledge("committed")
    file.settle(after)
    count = 0
    for state in crash_states(fs):
        left = seal_file.SealFile(state.fs(), SEAL, SeededRandom("again"))
        if "committed" in state.acknowledged:
            assert left.wrapping_key(after) == new.key
            left.settle(after)
            left.settle(after)
            assert left.wrapping_key(after) == new.key
        elif "bound" in state.acknowledged:
            assert left.wrapping_key(before) == old.key
            assert left.make(beside=True).seal_id
            assert left.wrapping_key(before) == old.key
        count += 1
    assert count > 20


def test_a_power_loss_while_a_restored_store_is_put_in_place_never_meets_the_log_of_another() -> None:
    store, beside, draft = FOLDER / "keys.db", FOLDER / "keys.db.kept", FOLDER / ".restoring" / "keys.db"
    log = FOLDER / "keys.db-wal"
    fs = RecordingFs({store: b"old", log: b"log", draft: b"new"}, folders=[draft.parent])
    restoring.put_in_place(fs, draft, store, beside)
    fs.acknowledge("restored")
    count = 0
    for state in crash_states(fs):
        found = state.files
        if found.get(store) == b"new":
            assert log not in found
        else:
            assert not state.acknowledged
            assert found.get(draft) == b"new"
        assert b"old" in found.values()
        count += 1
    assert count > 3


def test_a_power_loss_leaves_no_part_of_a_backup_that_is_taken_for_one() -> None:
    copy, target = FOLDER / ".keys.db.copy", FOLDER / "backup"
    fs = RecordingFs({copy: bytes(range(256)) * 20})
    proofs = DataKey(b"p" * 32)
    description = BackupDescription(
        account="111122223333", region="eu-west-1", made_at=ManualClock().now(), seal="a seal file", generation=1,
        position=2, keys=3, has_seal_key=False, size=0,
    )  # fmt: skip
    backup_file.write_backup(fs, target, copy, description, beside=backup_file.Beside(b"", b"[]"), proofs=proofs)
    fs.acknowledge("made")
    whole = 0
    for state in crash_states(fs):
        disk = state.fs()
        try:
            found = backup_file.open_backup(disk, target)
        except (DamagedStore, HostError):
            assert not state.acknowledged
        else:
            assert found.is_proved(proofs)
            assert b"".join(found.store()) == disk.files[copy]
            whole += 1
    assert whole >= 1
