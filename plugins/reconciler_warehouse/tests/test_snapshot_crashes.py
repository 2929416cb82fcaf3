"""Restores, schedules, copies and removals, killed at any point: the same call again converges, and nothing is left
over or lost (I1, I3, I11, I14)."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.errors import HostError, ResourceNotFoundException
from reconciler.model.ports import Bytes
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler_warehouse.copies.receiving import Incoming
from reconciler_warehouse.tests.killed_children import in_child, kill, load_on, ten_rows, work_on
from reconciler_warehouse.tests.left_overs import left_over
from reconciler_warehouse.tests.test_crashes import (
    ANSWER,
    QUESTION,
    Case,
    Death,
    MortalFs,
    k1,
    k2,
    kill_everywhere,
    loaded,
)
from reconciler_warehouse.tests.test_restoring import ask, restore, restore_table, take
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent
from tests.amounts import amount, is_campaign

BACK = QUESTION.replace("flights", "back")
HOURLY = SnapshotSchedule(every=timedelta(hours=1), retention=timedelta(days=2))


def drop(world: World) -> None:
    world.warehouse().delete_snapshot(world.caller, "snap")


def due(world: World) -> None:
    world.clock.advance(hours=1 - (world.clock.now().hour - 9))
    world.warehouse().do_due_work(world.caller, progress=silent)


def scheduled(world: World) -> None:
    loaded(k1)(world)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    world.warehouse().set_snapshot_schedule(world.caller, "sales", HOURLY)


def full(root: Callable[[World], Any]) -> Callable[[World], None]:
    """A snapshot of all rows."""

    def prepare(world: World) -> None:
        loaded(root, snapshots=0)(world)
        take(world)

    return prepare


def restored(world: World) -> None:
    full(k1)(world)
    restore(world, k2(world))


def rotated(world: World) -> None:
    full(k1)(world)
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="r")
    restore(world, k2(world))


CASES = {
    "restore a cluster": Case(full(k1), lambda world: restore(world, k2(world)), 2, grants=(1, 1)),
    "restore a cluster in the clear under a key": Case(
        full(lambda world: NONE), lambda world: restore(world, k2(world)), 4, grants=(0, 1)
    ),
    "restore a table": Case(full(k1), restore_table, 2),
    "delete a snapshot of which a cluster was made": Case(restored, drop, 2, grants=(1, 1)),
    "delete a snapshot that alone has its keys": Case(rotated, drop, 2, grants=(1, 1)),
    "take and copy what is due": Case(scheduled, due, 2),
}


IN_CI = ("restore a cluster", "restore a table")


@pytest.mark.parametrize("case", [CASES[name] for name in (CASES if is_campaign() else IN_CI)])
def test_killed_anywhere_the_same_call_converges(case: Case, quick: Path) -> None:
    def check(case: Case, world: World) -> None:
        assert world.select(QUESTION) == ANSWER
        assert len(world.data_files()) == case.files
        for root, count in zip((k1(world), k2(world)), case.grants, strict=True):
            assert len(world.keys().list_grants(world.caller, str(root.key_arn))) == count
        assert left_over(world) == left_over(world, THERE) == {}
        for one in world.warehouse().describe_clusters(world.caller):
            assert one.status == "available"
            assert ask(world, one.name) == ANSWER_WITHOUT_DELAY
            if any(table.name == "back" for table in one.tables):
                assert world.select(BACK) == ANSWER
        if case is CASES["take and copy what is due"]:
            taken = [one.name for one in world.warehouse().describe_snapshots(world.caller)]
            assert [one.name for one in world.warehouse(THERE).describe_snapshots(world.caller)] == taken
            assert len(taken) == 2

    kill_everywhere(case, quick, check)


ANSWER_WITHOUT_DELAY = [row[:4] for row in ANSWER]


# --- a destination that disappears ------------------------------------------------------------------------------------


class LostFs(MortalFs):
    """The disk of one Region, until it is gone; the other's stays."""

    def __init__(self, death: Death, folder: str) -> None:
        super().__init__(death)
        self._folder = folder

    def create(self, path: Path) -> int:
        if self._folder in str(path):
            return super().create(path)
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)

    def write(self, handle: int, data: Bytes) -> None:
        if self._folder in os.readlink(f"/proc/self/fd/{handle}"):
            super().write(handle, data)
        else:
            os.write(handle, data)


def bulky(world: World) -> None:
    """Three segments that are files, in a snapshot, and copying on."""
    world.create(k1(world))
    for number in range(3):
        rows = "".join(f"{one},{os.urandom(50).hex()},1.5\n" for one in range(3000))
        world.load(world.file(f"{number}.csv", f"id,tail,delay\n{rows}"))
    take(world)
    assert len(world.data_files()) == 3
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)


def test_a_destination_that_disappears_gets_the_rest_later_and_counts_nothing_half(quick: Path) -> None:
    (quick / "files").mkdir()
    effects = Death()
    counted = World(home=quick / "counted", files=quick / "files", fs=LostFs(effects, THERE))
    bulky(counted)
    effects.count = 0
    copy(counted)
    counted.reopen()
    for at in range(0, effects.count, amount(effects.count // 2, 1)):
        home = quick / f"home-{at}"
        world = World(home=home, files=quick / "files")
        bulky(world)
        answer = ask(world, "sales")
        world.reopen()
        lost = World(home=home, files=quick / "files", fs=LostFs(Death(at), THERE))
        with pytest.raises(HostError, match=f"was not copied to {THERE}") as told:
            copy(lost)
        assert "goes on" in str(told.value.suggestion)
        assert lost.warehouse(THERE).describe_snapshots(lost.caller) == []
        assert ask(lost, "sales") == answer
        lost.reopen()
        again = World(home=home, files=quick / "files")
        copy(again)
        (arrived,) = again.warehouse(THERE).describe_snapshots(again.caller)
        assert arrived.status == "available"
        restore(again, OWNED, "far", region=THERE)
        assert ask(again, "far", THERE) == answer
        assert left_over(again, THERE) == left_over(again) == {}
        again.reopen()


def copy(world: World, name: str = "snap", token: str = "copy") -> Any:  # noqa: S107  # not a password
    return world.warehouse().copy_snapshot(world.caller, name, world.warehouse(THERE), progress=silent, token=token)


def test_a_copy_whose_keys_have_not_come_keeps_no_key_there_from_being_deleted(world: World) -> None:
    """It was called lost, and what is lost counts as a use of every key of the Region."""
    bulky(world)
    with (
        patch.object(Incoming, "accept_keys", side_effect=HostError("the line is dead")),
        pytest.raises(HostError, match="the line is dead"),
    ):
        copy(world)
    world.reopen()
    assert world.warehouse(THERE).key_uses() == []
    copy(world)
    assert [use.name for use in world.warehouse(THERE).key_uses()] == ["snap"]


def test_a_copy_that_is_deleted_while_it_is_received_leaves_nothing(world: World) -> None:
    bulky(world)
    accept, count = Incoming.accept_segment, iter(range(9))

    def deleted_meanwhile(incoming: Incoming, *given: Any) -> None:
        if next(count) == 1:
            other = World(home=world.home, files=world.files)
            other.warehouse(THERE).delete_snapshot(other.caller, "snap")
            other.reopen()
        accept(incoming, *given)

    with (
        patch.object(Incoming, "accept_segment", deleted_meanwhile),
        pytest.raises(ResourceNotFoundException, match="while it was received"),
    ):
        copy(world)
    assert left_over(world, THERE) == {}
    assert world.data_files(THERE) == {}
    copy(world)
    assert len(world.data_files(THERE)) == 3


def test_what_never_arrives_whole_goes_when_its_retention_would_be_over(quick: Path) -> None:
    (quick / "files").mkdir()
    world = World(home=quick / "home", files=quick / "files", fs=LostFs(Death(4), THERE))
    bulky(world)
    with pytest.raises(HostError):
        copy(world)
    world.reopen()
    later = World(home=quick / "home", files=quick / "files")
    later.warehouse().delete_snapshot(later.caller, "snap")
    later.clock.advance(days=8)
    later.warehouse(THERE).do_due_work(later.caller, progress=silent)
    assert left_over(later, THERE) == {}
    assert later.data_files(THERE) == {}
    assert later.warehouse(THERE).key_uses() == []
    later.reopen()


# --- processes that are killed while another loads --------------------------------------------------------------------


def taking(world: World, number: int) -> None:
    take(world, f"s{number}")
    world.warehouse().delete_snapshot(world.caller, f"s{number - 1}")


def restoring(world: World, number: int) -> None:
    take(world, f"s{number}")
    restore(world, k2(world), f"c{number}", f"s{number}")
    world.warehouse().delete_cluster(world.caller, f"c{number - 1}")
    world.warehouse().delete_snapshot(world.caller, f"s{number}")


def restoring_tables(world: World, number: int) -> None:
    take(world, f"s{number}")
    world.warehouse().restore_table(
        world.caller, "sales", f"s{number}", "flights", f"t{number}", progress=silent, token=f"t{number}"
    )
    world.warehouse().delete_snapshot(world.caller, f"s{number}")


def copying_too(world: World, number: int) -> None:
    take(world, f"s{number}")
    copy(world, f"s{number}", f"copy{number}")
    world.warehouse().delete_snapshot(world.caller, f"s{number}")
    world.warehouse(THERE).delete_snapshot(world.caller, f"s{number - 1}")


OPERATIONS = {"snapshots": taking, "clusters": restoring, "tables": restoring_tables, "copies": copying_too}


@pytest.mark.parametrize("work", OPERATIONS.values(), ids=OPERATIONS)
def test_killed_while_another_process_loads_no_row_is_lost_or_doubled(
    work: Callable[[World, int], object], quick: Path
) -> None:
    (quick / "files").mkdir()
    home, files, done = quick / "home", quick / "files", quick / "done"
    world = World(home=home, files=files)
    world.create(k1(world))
    k2(world)
    world.load(ten_rows(world, 0))
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    world.reopen()
    done.write_text("")
    loader = in_child(lambda: load_on(World(home=home, files=files), done))
    chance = random.Random(7)  # noqa: S311  # when to kill, no secret
    try:
        for number in range(1, amount(2, 20) + 1):
            victim = in_child(partial(work_on, World(home=home, files=files), work, number * 1000))
            time.sleep(0.15 + 0.35 * chance.random())
            kill(victim)
    finally:
        kill(loader)
    after = World(home=home, files=files)
    try:
        acknowledged = [int(line) for line in done.read_text().split()]
        _check_rows(after, "sales", "flights", at_least=10 * (max(acknowledged, default=0) + 1))
        for snapshot in after.warehouse().describe_snapshots(after.caller):
            restore(after, OWNED, f"check-{snapshot.name}", snapshot.name)
        for copied in after.warehouse(THERE).describe_snapshots(after.caller):
            restore(after, OWNED, f"check-{copied.name}", copied.name, THERE)
        for region in (HERE, THERE):
            for cluster in after.warehouse(region).describe_clusters(after.caller):
                for table in cluster.tables:
                    _check_rows(after, cluster.name, table.name, region=region)
            for cluster in after.warehouse(region).describe_clusters(after.caller):
                if cluster.name != "sales":
                    after.warehouse(region).delete_cluster(after.caller, cluster.name)
        work(after, 10**6)
        assert left_over(after) == {}
    finally:
        after.reopen()


def _check_rows(world: World, cluster: str, table: str, *, at_least: int = 0, region: str = HERE) -> None:
    """All of the first so many files, each row once."""
    query = f"SELECT count(*), count(DISTINCT id), max(id) FROM {table}"  # noqa: S608  # the test's own
    ((count, distinct, greatest),) = world.warehouse(region).select(world.caller, cluster, query).rows
    assert count == distinct == greatest + 1
    assert count % 10 == 0
    assert count >= at_least
