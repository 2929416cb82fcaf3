"""A kill at any point of any change, then the same call again: same data, nothing left behind (I1, I11, I14).

``Death`` counts the effects of a call (each COMMIT of any store, each change of the disk) and lets nothing happen
at all from the k-th on, clean-up included, as after SIGKILL. Then everything is opened anew and the call is repeated.
A campaign tries every k instead of a few.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import HsmFault, HsmUnavailable, ThrottlingException
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Bytes
from reconciler.providers.data import Root
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault
from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_warehouse.config import MigrationConfig, WarehouseConfig
from reconciler_warehouse.tests.worlds import CSV, HERE, NONE, OWNED, THERE, World, silent
from tests.amounts import is_campaign

QUESTION = "SELECT count(*), sum(id), min(tail), max(tail), sum(delay) FROM flights"
ANSWER = [(5000, 12497500, "CANARY-TAIL-00000", "CANARY-TAIL-04999", 241334.0)]
CHANGES_OF_A_TOKEN = ("create_cluster_key", "adopt_cluster_key", "retire_cluster_key", "destroy_cluster_key")


class Death:
    """Counts effects; from the ``at``-th on (from 0) there are none any more."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0

    @property
    def came(self) -> bool:
        return self.at is not None and self.count > self.at

    def effect(self) -> bool:
        """Note one; whether it must not happen."""
        self.count += 1
        return self.came

    def of_the_token(self, call: str) -> None:
        if self.effect() if call in CHANGES_OF_A_TOKEN else self.came:
            raise HsmUnavailable("dead", fault=HsmFault.CLOSED)

    def statement(self, sql: str) -> bool:
        return self.effect() if sql == "COMMIT" else self.came


class MortalFs(OsFs):
    """The disk, until death."""

    def __init__(self, death: Death) -> None:
        self._death = death

    def _live(self) -> None:
        if self._death.effect():
            raise OSError(errno.EIO, "dead")

    def create(self, path: Path) -> int:
        self._live()
        return super().create(path)

    def write(self, handle: int, data: Bytes) -> None:
        raw = memoryview(data).cast("B")
        if self._death.effect():
            super().write(handle, raw[: len(raw) // 2] if self._death.count == (self._death.at or 0) + 1 else b"")
            raise OSError(errno.EIO, "dead")
        super().write(handle, raw)

    def fsync(self, handle: int) -> None:
        self._live()
        super().fsync(handle)

    def unlink(self, path: Path) -> None:
        self._live()
        super().unlink(path)


def modify(root: Callable[[World], Root]) -> Callable[[World], Any]:
    return lambda world: world.warehouse().modify_encryption(
        world.caller, "sales", root(world), progress=silent, token="modify"
    )


def rotate(world: World) -> Any:
    return world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")


def re_encrypt(world: World) -> Any:
    return world.warehouse().re_encrypt(world.caller, "sales", progress=silent, token="re-encrypt")


def snapshot(world: World, name: str = "snap") -> Any:
    return world.warehouse().create_snapshot(world.caller, "sales", name, retention_days=7, token=name)


def copy(world: World) -> Any:
    return world.warehouse().copy_snapshot(world.caller, "snap", world.warehouse(THERE), progress=silent, token="copy")


def loaded(root: Callable[[World], Root], *, snapshots: int = 1) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.key("k2")
        world.create(root(world))
        world.load(world.file("a.csv", CSV[: len(CSV) // 2 + 7].rpartition("\n")[0] + "\n"))
        if snapshots:
            snapshot(world)
        rest = CSV[: CSV.index("\n") + 1] + CSV[len(CSV[: len(CSV) // 2 + 7].rpartition("\n")[0]) + 1 :]
        world.load(world.file("b.csv", rest))

    return prepare


def copying(world: World) -> None:
    loaded(k1)(world)
    world.warehouse(THERE).create_snapshot_copy_grant(world.caller, "landing", world.key("there", THERE), token="g")
    world.warehouse().enable_snapshot_copy(
        world.caller, "sales", world.warehouse(THERE), grant="landing", retention_days=7
    )


def k1(world: World) -> Root:
    return world.key("k1")


def k2(world: World) -> Root:
    return world.key("k2")


@dataclass(frozen=True)
class Case:
    """``prepare`` once, ``change`` under death and again. ``files`` is how many segment files must be there at last."""

    prepare: Callable[[World], None]
    change: Callable[[World], Any]
    files: int
    answers: bool = True
    reads_go_on: bool = True
    grants: tuple[int, int] = (1, 0)


def nothing(world: World) -> None:
    world.key("k1")
    world.key("k2")


def empty(world: World) -> None:
    nothing(world)
    world.create(k1(world))


CASES = {
    "create a cluster under a customer key": Case(
        nothing, lambda w: w.create(k1(w)), 0, answers=False, reads_go_on=False
    ),
    "load a file": Case(
        empty,
        lambda w: (w.load(w.file("a.csv")), w.select(QUESTION))[1],
        1,
        reads_go_on=False,
    ),
    "take a snapshot": Case(loaded(k1, snapshots=0), snapshot, 2),
    "rotate": Case(loaded(k1), rotate, 2),
    "switch k1 to k2": Case(loaded(k1), modify(k2), 2, grants=(0, 1)),
    "switch k1 to the owned key": Case(loaded(k1, snapshots=0), modify(lambda w: OWNED), 2, grants=(0, 0)),
    "encrypt": Case(loaded(lambda w: NONE, snapshots=0), modify(k1), 2),
    "decrypt": Case(loaded(k1), modify(lambda w: NONE), 3, grants=(1, 0)),
    "re-encrypt": Case(loaded(k1), re_encrypt, 3),
    "copy a snapshot": Case(copying, copy, 2),
    "delete the cluster, keep the snapshot": Case(
        loaded(k1), lambda w: w.warehouse().delete_cluster(w.caller, "sales"), 1, answers=False, reads_go_on=False
    ),
}


@pytest.fixture(params=CASES, name="case")
def each_case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def opened(home: Path, files: Path, death: Death | None = None) -> World:
    world = World(home=home, files=files)
    if death is not None:
        world.fs = MortalFs(death)
        world.hsm().before = death.of_the_token
        world.configs = {HERE: WarehouseConfig(migration=MigrationConfig(workers=1))}  # else no two runs are the same
    return world


def effects(case: Case, home: Path, files: Path) -> int:
    """How many effects the change has when nothing fails."""
    death = Death()
    with watched_sqlite(death.statement):
        world = opened(home, files, death)
        case.change(world)
        count = death.count
        world.reopen()
    return count


def check(case: Case, world: World) -> None:
    """What must hold when the change was carried through at last."""
    if case.answers:
        assert world.select(QUESTION) == ANSWER
    present = set(world.data_files())
    assert len(present) == case.files
    for root, count in zip((k1(world), k2(world)), case.grants, strict=True):
        assert len(world.keys().list_grants(world.caller, str(root.key_arn))) == count
    for region in ("eu-west-1", THERE):
        used = world.warehouse(region).key_uses()
        assert not [use for use in used if use.what == "cluster-key"], "a wrapped key that nothing points at"
        for one in world.warehouse(region).describe_snapshots(world.caller):
            assert ("snapshot", one.name) in {(use.what, use.name) for use in used} or not one.root.key_arn


def test_killed_anywhere_the_same_call_converges(case: Case, quick: Path) -> None:
    kill_everywhere(case, quick, check)


def kill_everywhere(case: Case, quick: Path, check: Callable[[Case, World], None]) -> None:
    files = quick / "files"
    files.mkdir()
    prepared = opened(quick / "prepared", files)
    case.prepare(prepared)
    prepared.reopen()
    total = effects(case, shutil.copytree(quick / "prepared", quick / "counted"), files)
    for at in chosen(total):
        home = Path(shutil.copytree(quick / "prepared", quick / f"killed-{at}"))
        death = Death(at)
        with watched_sqlite(death.statement):
            world = opened(home, files, death)
            with pytest.raises(Exception):  # noqa: B017  # whatever a dead disk makes of it
                case.change(world)
            world.reopen()
        again = opened(home, files)
        try:
            if case.reads_go_on:  # whatever state it was left in, and without mending it
                assert again.select(QUESTION) == ANSWER
            case.change(again)
            check(case, again)
            case.change(again)
            check(case, again)
        finally:
            again.reopen()
        shutil.rmtree(home)


@pytest.mark.parametrize("begun", ["rotate", "switch k1 to k2", "encrypt", "decrypt", "take a snapshot"])
def test_deleted_after_a_killed_change_nothing_stays_under_any_key(begun: str, quick: Path) -> None:
    """Nobody carries the change on any more; what it staged must not keep the key alive for ever (I3, G13)."""
    case, files = CASES[begun], quick / "files"
    files.mkdir()
    prepared = opened(quick / "prepared", files)
    case.prepare(prepared)
    prepared.reopen()
    total = effects(case, Path(shutil.copytree(quick / "prepared", quick / "counted")), files)
    for at in chosen(total):
        home = Path(shutil.copytree(quick / "prepared", quick / f"killed-{at}"))
        death = Death(at)
        with watched_sqlite(death.statement):
            world = opened(home, files, death)
            with contextlib.suppress(Exception):
                case.change(world)
            world.reopen()
        again = opened(home, files)
        try:
            again.warehouse().delete_cluster(again.caller, "sales")
            for one in again.warehouse().describe_snapshots(again.caller):
                again.warehouse().delete_snapshot(again.caller, one.name)
            assert again.warehouse().key_uses() == []
            assert again.data_files() == {}
        finally:
            again.reopen()
        shutil.rmtree(home)


def chosen(total: int) -> Iterator[int]:
    """Every point in a campaign, else every few."""
    stride = 1 if is_campaign() else max(1, total // 3)
    yield from range(0, total, stride)


class SecondDecrypt(Fault):
    """The key service stops answering when the new keys are in place and the cluster is not finished."""

    def count(self, call: str) -> BaseException | None:
        self.calls.append(call)
        return ThrottlingException("come again") if self.calls.count("decrypt") == 2 else None


@pytest.mark.parametrize("root", [k2, lambda world: NONE, lambda world: OWNED], ids=["k2", "none", "owned"])
def test_a_creation_taken_up_with_another_root_has_that_root(root: Callable[[World], Root], world: World) -> None:
    """The manifest was changed between the interrupted apply and the next, which goes on with the same token."""
    fault = SecondDecrypt(lambda: ThrottlingException("come again"))
    first = opened(world.home, world.files)
    first.wrap_keys = lambda inner: failing_provider(inner, fault)
    with pytest.raises(ThrottlingException):
        first.create(k1(first))
    first.reopen()
    wanted = root(world)
    assert world.create(wanted).root == wanted
    world.load(world.file("a.csv"))
    assert world.select("SELECT count(*) FROM flights") == [(5000,)]
    k1_arn = str(k1(world).key_arn)
    assert world.keys().list_grants(world.caller, k1_arn) == []
    assert k1_arn not in {use.key_arn for use in world.warehouse().key_uses()}


def test_in_a_region_that_has_copy_grants_and_nothing_else_their_grants_go_with_them(world: World) -> None:
    key = str(world.key("there", THERE).key_arn)
    there = world.warehouse(THERE)
    there.create_snapshot_copy_grant(world.caller, "landing", world.key("there", THERE), token="g")
    assert len(world.keys(THERE).list_grants(world.caller, key)) == 1
    there.delete_snapshot_copy_grant(world.caller, "landing")
    assert world.keys(THERE).list_grants(world.caller, key) == []
