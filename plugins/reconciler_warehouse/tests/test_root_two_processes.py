"""Two processes, one of which declares an escrow key, leaves snapshots behind, or finds a root lost, held up at any
point while the other does its whole work (C6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler_warehouse.tests.left_overs import left_over
from reconciler_warehouse.tests.test_crashes import rotate
from reconciler_warehouse.tests.test_escrow import all_open_by_escrow
from reconciler_warehouse.tests.test_root_crashes import alone, back, due, escrow, lost, set_enabled, with_escrow
from reconciler_warehouse.tests.test_two_processes import (
    SEALED,
    Pair,
    another_snapshot,
    drop_snapshot,
    each,
    off_and_on,
    overtake_anywhere,
    prepared,
    rotate_too,
)
from reconciler_warehouse.tests.worlds import World

assert prepared  # the fixture

declare, take_back = escrow("k3"), escrow(None)
ESCROWED = with_escrow("k3")
PAIRS = {
    "declare": Pair(SEALED, declare, (rotate_too, another_snapshot, drop_snapshot, off_and_on)),
    "another": Pair(ESCROWED, escrow("k4"), (rotate_too, another_snapshot)),
    "rotate under escrow": Pair(ESCROWED, rotate, (another_snapshot, escrow("k4"))),
    "alone": Pair(SEALED, alone, (rotate_too, another_snapshot, drop_snapshot)),
}


@pytest.mark.parametrize(("prepare", "slow", "other"), each(PAIRS))
def test_whoever_is_overtaken_loses_nothing(
    prepare: Callable[[World], None],
    slow: Callable[[World], Any],
    other: Callable[[World], Any],
    prepared: Callable[[Callable[[World], None]], Path],  # the fixture
    quick: Path,
) -> None:
    def check(world: World) -> None:
        (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
        assert found.status == "available"
        if slow is not alone and other is not off_and_on:
            assert found.escrow_arn is not None
            assert all_open_by_escrow(world)
        assert left_over(world) == {}

    overtake_anywhere(prepared(prepare), quick, slow, other, check)


def regain(world: World) -> None:
    set_enabled(world, enabled=True)
    due(world)


def find_too(world: World) -> None:
    due(world)
    set_enabled(world, enabled=True)


def lose_again(world: World) -> None:
    set_enabled(world, enabled=False)
    due(world)
    set_enabled(world, enabled=True)


ROOTS = {
    "found lost while it comes back": (lost, regain),
    "found lost by two": (lost, find_too),
    "found back while it is lost again": (back, lose_again),
    "found back by two": (back, regain),
}


@pytest.mark.parametrize(("prepare", "other"), ROOTS.values(), ids=ROOTS)
def test_a_root_that_two_find_lost_or_back_is_settled(
    prepare: Callable[[World], None],
    other: Callable[[World], None],
    prepared: Callable[[Callable[[World], None]], Path],  # the fixture
    quick: Path,
) -> None:
    def check(world: World) -> None:
        (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
        assert (found.status, found.inaccessible) == ("available", None)
        assert [one.name for one in world.warehouse().describe_snapshots(world.caller)] == ["snap"]
        assert left_over(world) == {}

    overtake_anywhere(prepared(prepare), quick, due, other, check)
