"""A kill at any point of a change of a cluster in an HSM: the same call converges, no key lost, none left over.

As ``test_crashes``; each change of the token is a point too, and what is in it is compared with what the key ring
knows.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from reconciler.providers.data import Root
from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_warehouse.tests.hsm_worlds import arn, fits
from reconciler_warehouse.tests.test_crashes import (
    Case,
    Death,
    check,
    chosen,
    effects,
    k1,
    kill_everywhere,
    loaded,
    modify,
    nothing,
    opened,
    rotate,
)
from reconciler_warehouse.tests.worlds import NONE, World


def a(world: World) -> Root:
    return world.partition("a")


def b(world: World) -> Root:
    return world.partition("b")


def replicated(world: World) -> None:
    """Loaded in a; the vendor's tools copied the keys to b."""
    loaded(a)(world)
    objects = world.hsm().lose(arn(a(world)))
    for one in (a(world), b(world)):
        world.hsm().put_back(arn(one), objects)


def adopt(world: World) -> object:
    world.hsm().connection_only.add(arn(b(world)))
    return modify(b)(world)


CASES = {
    "create a cluster in a partition": Case(
        nothing, lambda w: w.create(a(w)), 0, answers=False, reads_go_on=False, grants=(0, 0)
    ),
    "rotate": Case(loaded(a), rotate, 2, grants=(0, 0)),
    "encrypt": Case(loaded(lambda w: NONE, snapshots=0), modify(a), 2, grants=(0, 0)),
    "decrypt": Case(loaded(a), modify(lambda w: NONE), 3, grants=(0, 0)),
    "switch from a key to the HSM": Case(loaded(k1), modify(a), 2, grants=(0, 0)),
    "switch from the HSM to a key": Case(loaded(a), modify(k1), 2, grants=(1, 0)),
    "move to another partition": Case(loaded(a), modify(b), 2, grants=(0, 0)),
    "delete the cluster, keep the snapshot": Case(
        loaded(a),
        lambda w: w.warehouse().delete_cluster(w.caller, "sales"),
        1,
        answers=False,
        reads_go_on=False,
        grants=(0, 0),
    ),
}


def check_token(case: Case, world: World) -> None:
    check(case, world)
    world.warehouse().clear_up()
    fits(world)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_killed_anywhere_the_same_call_converges(case: Case, quick: Path) -> None:
    kill_everywhere(case, quick, check_token)


def test_keys_that_were_replicated_survive_a_kill_anywhere(quick: Path) -> None:
    """The token is not compared: what the vendor's tools put there is theirs."""
    kill_everywhere(Case(replicated, adopt, 2, grants=(0, 0)), quick, check)


@pytest.mark.parametrize("begun", ["rotate", "switch from a key to the HSM", "move to another partition", "encrypt"])
def test_what_a_killed_change_left_in_the_token_goes_with_the_cluster(begun: str, quick: Path) -> None:
    """Nobody carries the change on any more: keys that were never taken go, others are retired."""
    case, files = CASES[begun], quick / "files"
    files.mkdir()
    prepared = opened(quick / "prepared", files)
    case.prepare(prepared)
    prepared.reopen()
    total = effects(case, copy_of(quick, "counted"), files)
    for at in chosen(total):
        world = killed(case, copy_of(quick, f"killed-{at}"), files, at)
        try:
            world.warehouse().delete_cluster(world.caller, "sales")
            for one in world.warehouse().describe_snapshots(world.caller):
                world.warehouse().delete_snapshot(world.caller, one.name)
            assert world.warehouse().key_uses() == []
            fits(world)
        finally:
            world.reopen()


def copy_of(quick: Path, name: str) -> Path:
    return Path(shutil.copytree(quick / "prepared", quick / name))


def killed(case: Case, home: Path, files: Path, at: int) -> World:
    """The world anew, after the change was killed at its effect ``at``."""
    death = Death(at)
    with watched_sqlite(death.statement):
        world = opened(home, files, death)
        with contextlib.suppress(Exception):
            case.change(world)
        world.reopen()
    return opened(home, files)
