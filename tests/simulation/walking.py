"""Many schedules one after the other; one that breaks a rule is cut down to what it takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests import counts
from tests.simulation.appliers import drawn, simulate, simulating
from tests.simulation.schedule import Schedule, shrunk


def walk(seeds: Iterable[int], folder: Path) -> list[str]:
    """What was broken by the first schedule that breaks anything, with the schedule; empty when none does."""
    with simulating():
        done = points = applies = 0
        try:
            for seed in seeds:
                world = simulate(drawn(seed), folder)
                done, points, applies = done + 1, points + world.turns.now, applies + world.acknowledged
                if world.broken_rules:
                    found = Schedule(seed, world.schedule.variants, world.turns.drawn)
                    smallest = shrunk(found, lambda one: bool(simulate(one, folder).broken_rules))
                    return [*simulate(smallest, folder).broken_rules, str(smallest)]
        finally:
            counts.count("T5", schedules=done, calls=points, applies_done=applies)
    return []
