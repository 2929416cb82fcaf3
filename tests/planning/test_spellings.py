"""Spelling never makes a diff (CONTRACT 6): a world that was applied, said anew in any way, needs no change."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.testing.fakes import SeededRandom
from reconciler.testing.quick_folder import quick_folder
from tests.commands.drifting import drift
from tests.counts import count
from tests.planning.spellings import Meaning, meaning, spelled
from tests.world import World

RESPELLED = 8
CI = 30  # worlds, each said anew eight times


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    """Where worlds are made."""
    with quick_folder() as folder:
        yield folder


@given(seed=st.integers(0, 2**32))
@settings(max_examples=max(CI, settings().max_examples // 4), deadline=None)
def test_a_world_that_is_said_anew_needs_no_change(seed: int, shelf: Path) -> None:
    draw = random.Random(seed)  # noqa: S311  # no secret
    world, one = settled(shelf / "world", meaning(draw), draw, seed)
    for _ in range(RESPELLED):
        text = spelled(one, draw)
        world.declare(text)
        plan = world.plan()
        assert not plan.changes, (plan.changes, text)
        assert not plan.drift, (plan.drift, text)
        count("drift", worlds_said_anew=1)
    world.apply()
    printed = drift(world, "--format", "json")
    assert printed.found == [], printed.out
    shutil.rmtree(world.folder)


def settled(folder: Path, one: Meaning, draw: random.Random, seed: int) -> tuple[World, Meaning]:
    """The world as applied; from then on its key has an ARN."""
    shutil.rmtree(folder, ignore_errors=True)
    world = World(folder, random=SeededRandom(seed))
    world.declare(spelled(one, draw))
    world.apply()
    with world.session() as session:
        one.arns["k"] = str(session.attributes(Address("Key/k"))["arn"])
    return world, one


def test_another_meaning_is_a_change(shelf: Path) -> None:
    """Or nothing would be shown by the other test."""
    draw = random.Random(7)  # noqa: S311  # no secret
    world, one = settled(shelf / "other", meaning(draw), draw, 7)
    one.every += 1
    one.context["more"] = "x"
    one.policy["Statement"][0]["Action"] = ["kms:Decrypt"]
    world.declare(spelled(one, draw))

    assert {str(change.address) for change in world.plan().changes} >= {"Grant/g", "Key/k", "KeyPolicy/k"}
