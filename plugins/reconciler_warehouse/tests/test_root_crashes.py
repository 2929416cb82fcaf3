"""Killed at any point while roots are lost, come back or are given up, escrow keys change, and tables are shared: the
same again converges, and nothing is lost or left (RE8, RE14, I1)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.providers.data import ClusterRequest
from reconciler.providers.keys import KeyState
from reconciler_warehouse.tests.killed_children import in_child, kill, load_on, ten_rows, work_on
from reconciler_warehouse.tests.left_overs import left_over
from reconciler_warehouse.tests.test_crashes import ANSWER, QUESTION, Case, k1, k2, kill_everywhere, loaded, rotate
from reconciler_warehouse.tests.test_crashes import check as check_all
from reconciler_warehouse.tests.test_escrow import all_open_by_escrow
from reconciler_warehouse.tests.worlds import World, silent
from tests.amounts import amount

LOST, AVAILABLE = "inaccessible-kms-key", "available"


def arn(world: World, name: str) -> str:
    return str(world.key(name).key_arn)


def due(world: World) -> list[str]:
    return world.warehouse().do_due_work(world.caller, progress=silent)


def set_enabled(world: World, *, enabled: bool, name: str = "k1") -> None:
    keys, key = world.keys(), arn(world, name)
    is_enabled = keys.describe_keys(world.caller, [key])[key].state is KeyState.ENABLED
    if is_enabled != enabled:
        (keys.enable_key if enabled else keys.disable_key)(world.caller, key)


def status(world: World) -> str:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return found.status


def snapshots(world: World) -> list[str]:
    return [one.name for one in world.warehouse().describe_snapshots(world.caller)]


def lost(world: World) -> None:
    loaded(k1)(world)
    set_enabled(world, enabled=False)


def known_to_be_lost(world: World) -> None:
    lost(world)
    due(world)


def back(world: World) -> None:
    known_to_be_lost(world)
    set_enabled(world, enabled=True)


def wait_in_vain(world: World) -> None:
    world.clock.advance(days=15)
    due(world)
    world.clock.advance(hours=2)
    due(world)


def escrow(key: str | None) -> Callable[[World], Any]:
    return lambda world: world.warehouse().set_escrow(
        world.caller, "sales", None if key is None else arn(world, key), token=f"escrow {key}"
    )


def with_escrow(key: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        loaded(k1)(world)
        escrow(key)(world)

    return prepare


def alone(world: World) -> Any:
    return world.warehouse().switch_root_alone(world.caller, "sales", k2(world), progress=silent, token="alone")


def two_clusters(world: World) -> None:
    loaded(k1)(world)
    world.create(k2(world), "shop", "shop")
    world.load(world.file("c.csv", "id,name\n7,seven\n"), name="shop")


def share(world: World) -> Any:
    return world.warehouse().create_data_share(
        world.caller, "trips", producer="sales", consumer="shop", tables=["flights"], token="share"
    )


def waits_with_its_backup(case: Case, world: World) -> None:
    assert status(world) == LOST
    assert len(snapshots(world)) == 2
    set_enabled(world, enabled=True)
    assert world.select(QUESTION) == ANSWER
    is_available(case, world)
    set_enabled(world, enabled=False)


def is_available(case: Case, world: World) -> None:
    assert status(world) == AVAILABLE
    assert snapshots(world) == ["snap"]
    assert left_over(world) == {}
    check_all(case, world)


def is_released(case: Case, world: World) -> None:
    assert "sales" not in [one.name for one in world.warehouse().describe_clusters(world.caller)]
    (backup,) = snapshots(world)  # the other one is over by now
    set_enabled(world, enabled=True)
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=k2(world))
    world.warehouse().restore_cluster(world.caller, request, backup, progress=silent, token="again")
    assert world.select(QUESTION, "again") == ANSWER
    assert left_over(world) == {}
    world.warehouse().delete_cluster(world.caller, "again")
    set_enabled(world, enabled=False)


def escrow_is(key: str | None) -> Callable[[Case, World], None]:
    def check(case: Case, world: World) -> None:
        (found,) = world.warehouse().describe_clusters(world.caller)
        assert found.escrow_arn == (None if key is None else arn(world, key))
        assert found.status == AVAILABLE
        assert key is None or all_open_by_escrow(world)
        is_available(case, world)

    return check


def stayed(case: Case, world: World) -> None:
    for name, expected in (("k1", "snap"), ("k2", "sales")):
        assert [one.name for one in world.warehouse().key_uses(arn(world, name))] == [expected]
    is_available(case, world)


def is_shared(case: Case, world: World) -> None:
    assert world.select("SELECT count(*) FROM trips.flights", "shop") == [(5000,)]
    is_available(case, world)


CASES: dict[str, tuple[Case, Callable[[Case, World], None]]] = {
    "a root is found to be lost": (Case(lost, due, 2, reads_go_on=False), waits_with_its_backup),
    "a root is back": (Case(back, due, 2, reads_go_on=False), is_available),
    "a cluster is released": (Case(known_to_be_lost, wait_in_vain, 2, reads_go_on=False), is_released),
    "an escrow key is declared": (Case(loaded(k1), escrow("k2"), 2, grants=(1, 1)), escrow_is("k2")),
    "another escrow key is declared": (Case(with_escrow("k3"), escrow("k2"), 2, grants=(1, 1)), escrow_is("k2")),
    "no escrow key is declared": (Case(with_escrow("k2"), escrow(None), 2), escrow_is(None)),
    "rotated with an escrow key": (Case(with_escrow("k2"), rotate, 2, grants=(1, 1)), escrow_is("k2")),
    "switched without its snapshots": (Case(loaded(k1), alone, 2, grants=(1, 1)), stayed),
    "a table is shared": (Case(two_clusters, share, 3, grants=(1, 1)), is_shared),
}


@pytest.mark.parametrize(("case", "check"), CASES.values(), ids=CASES)
def test_killed_anywhere_the_same_converges(case: Case, check: Callable[[Case, World], None], quick: Path) -> None:
    kill_everywhere(case, quick, check)


# --- kill -9 of a process that does all of it, while another loads ----------------------------------------------------


def lose_or_regain(world: World, number: int) -> None:
    set_enabled(world, enabled=bool(number % 2))
    due(world)


WORK: dict[str, Callable[[World, int], object]] = {
    "root lost and back": lose_or_regain,
    "rotations": lambda world, number: world.warehouse().rotate_encryption_key(
        world.caller, "sales", progress=silent, token=f"r{number}"
    ),
    "escrow": lambda world, number: world.warehouse().set_escrow(
        world.caller, "sales", arn(world, f"k{2 + number % 2}"), token=f"e{number}"
    ),
    "switches": lambda world, number: world.warehouse().switch_root_alone(
        world.caller, "sales", world.key(f"k{2 + number % 2}"), progress=silent, token=f"s{number}"
    ),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_killed_while_another_process_loads_no_row_is_lost(work: Callable[[World, int], object], quick: Path) -> None:
    (quick / "files").mkdir()
    home, files, done = quick / "home", quick / "files", quick / "done"
    world = World(home=home, files=files)
    for name in ("k1", "k2", "k3"):
        world.key(name)
    world.create(k1(world))
    world.load(ten_rows(world, 0))
    world.warehouse().set_escrow(world.caller, "sales", arn(world, "k3"), token="first")
    world.reopen()
    done.write_text("")
    loader = in_child(lambda: load_on(World(home=home, files=files), done))
    chance = random.Random(3)  # noqa: S311  # when to kill, no secret
    try:
        for number in range(1, amount(1, 20) + 1):
            victim = in_child(partial(work_on, World(home=home, files=files), work, number * 1000))
            time.sleep(0.1 + 0.3 * chance.random())
            kill(victim)
    finally:
        kill(loader)
    after = World(home=home, files=files)
    try:
        set_enabled(after, enabled=True)
        due(after)
        acknowledged = [int(line) for line in done.read_text().split()]
        ((count, distinct),) = after.select("SELECT count(*), count(DISTINCT id) FROM flights")
        assert count == distinct
        assert count >= 10 * (max(acknowledged, default=0) + 1)
        assert status(after) == AVAILABLE
        with suppress(ReconcilerError):
            work(after, 10**6)
        set_enabled(after, enabled=True)
        due(after)
        assert after.select("SELECT count(*) FROM flights") == [(count,)]
        assert all_open_by_escrow(after)
        assert left_over(after) == {}
    finally:
        after.reopen()
