"""The other half of the schedules, for another worker; and that a fault of a provider is found by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.amounts import amount
from tests.simulation.appliers import VARIANTS, drawn, simulate, simulating
from tests.simulation.schedule import Schedule, shrunk
from tests.simulation.walking import walk

FROM = 10_000_000
FEW_EVENTS = 8


def test_no_schedule_loses_a_key_or_an_object(tmp_path: Path) -> None:
    assert walk(range(FROM, FROM + amount(10_000, 2_500_000)), tmp_path) == []


@pytest.fixture
def unfenced(tmp_path: Path) -> tuple[Schedule, Path]:
    """The first schedule that shows a provider which does not look at the fence."""
    with simulating():
        for seed in range(200):
            world = simulate(drawn(seed), tmp_path, checks_fence=False)
            if world.broken_rules:
                return Schedule(seed, world.schedule.variants, world.turns.drawn), tmp_path
    raise AssertionError("200 schedules, and nobody noticed")


def is_found(schedule: Schedule, folder: Path) -> bool:
    return bool(simulate(schedule, folder, checks_fence=False).broken_rules)


def test_a_provider_that_does_not_check_the_fence_is_found_soon(unfenced: tuple[Schedule, Path]) -> None:
    schedule, _ = unfenced
    assert schedule.events


def test_a_schedule_that_fails_fails_again_and_with_fewer_events(unfenced: tuple[Schedule, Path]) -> None:
    schedule, folder = unfenced
    with simulating():
        assert is_found(schedule, folder)
        smaller = shrunk(schedule, lambda one: is_found(one, folder))
        assert is_found(smaller, folder)
    assert 0 < len(smaller.events or {}) <= FEW_EVENTS


def test_a_schedule_is_the_same_each_time(tmp_path: Path) -> None:
    with simulating():
        first, second = (simulate(drawn(5), tmp_path) for _ in range(2))
        again = simulate(Schedule(5, first.schedule.variants, first.turns.drawn), tmp_path)
    assert first.turns.drawn == second.turns.drawn
    assert len({repr(world.content.rows) for world in (first, second, again)}) == 1


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
def test_undisturbed_every_variant_is_reached(variant: int, tmp_path: Path) -> None:
    with simulating():
        world = simulate(Schedule(0, (variant, variant), {}), tmp_path)
    assert world.broken_rules == []
    assert world.acknowledged == 1
