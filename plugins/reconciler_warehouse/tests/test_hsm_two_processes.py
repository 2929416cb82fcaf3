"""As ``test_two_processes``, with a cluster in an HSM: whoever is overtaken loses no key and leaves none in a token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.providers.data import Root
from reconciler_warehouse.tests.hsm_worlds import fits
from reconciler_warehouse.tests.test_crashes import k1, loaded, modify, rotate
from reconciler_warehouse.tests.test_two_processes import (
    Pair,
    another_snapshot,
    drop_snapshot,
    each,
    load_more,
    off_and_on,
    overtake_anywhere,
    prepared,
    rotate_too,
)
from reconciler_warehouse.tests.worlds import World

__all__ = ["prepared"]


def a(world: World) -> Root:
    return world.partition("a")


def move(world: World) -> object:
    """To the other partition."""
    return world.warehouse().modify_encryption(
        world.caller, "sales", world.partition("b"), progress=lambda *said: None, token="move"
    )


VAULTED = loaded(a)
PAIRS = {
    "rotate": Pair(VAULTED, rotate, (load_more, rotate_too, drop_snapshot, another_snapshot, off_and_on, move)),
    "move": Pair(VAULTED, move, (load_more, rotate_too, drop_snapshot, another_snapshot)),
    "into": Pair(loaded(k1), modify(a), (rotate_too, drop_snapshot)),
    "out": Pair(VAULTED, modify(k1), (rotate_too, drop_snapshot)),
    "snapshot": Pair(VAULTED, another_snapshot, (rotate, move, off_and_on)),
}


def nothing_left(world: World) -> None:
    world.warehouse().clear_up()
    fits(world)


@pytest.mark.parametrize(("prepare", "slow", "other"), each(PAIRS))
def test_whoever_is_overtaken_loses_nothing(
    prepare: Callable[[World], None],
    slow: Callable[[World], Any],
    other: Callable[[World], Any],
    prepared: Callable[[Callable[[World], None]], Path],  # pytest's way of naming a fixture
    quick: Path,
) -> None:
    overtake_anywhere(prepared(prepare), quick, slow, other, nothing_left)
