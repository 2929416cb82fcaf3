"""Clocks jump both ways, and nothing that must hold depends on one (C8)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import LockHeld
from reconciler.host.process import Process
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import ManualClock, SeededRandom, fixed_seal
from reconciler.testing.state_samples import begin, recorded
from tests.world import World, document, provider


@pytest.mark.parametrize("days", [-4_000, 4_000], ids=["back", "ahead"])
def test_an_apply_goes_on_from_a_state_of_another_time(tmp_path: Path, days: int) -> None:
    world = World(tmp_path / "project")
    world.declare(provider() + document("Key", "k", description="one"))
    world.apply()
    world.clock.advance(days=days)
    assert not world.plan().has_changes
    world.declare(provider() + document("Key", "k", description="two"))
    world.apply()
    assert not world.plan().has_changes
    reader = world.state()
    assert [entry.serial for entry in reader.history()] == sorted(entry.serial for entry in reader.history())
    reader.check()


@pytest.mark.parametrize("days", [-4_000, 4_000], ids=["back", "ahead"])
def test_a_holder_whose_clock_jumps_goes_on_and_nobody_takes_its_lock(tmp_path: Path, days: int) -> None:
    clock = ManualClock()
    path = tmp_path / "state.db"
    store = SqliteState(path, seal=fixed_seal(), clock=clock, random=SeededRandom())
    other = SqliteState(path, seal=fixed_seal(), clock=clock, random=SeededRandom(1))
    store.acquire("apply", timeout=0)
    intent = begin(store)
    clock.advance(days=days)
    with pytest.raises(LockHeld):
        other.acquire("apply", timeout=0)
    store.heartbeat()
    store.finish(intent, recorded())
    assert other.check().rows == 1
    store.close()
    other.close()


def test_who_was_overtaken_since_a_clock_ran_ahead_writes_nothing(tmp_path: Path) -> None:
    """The lease seemed to have run out: it was not safety that rested on it."""
    clock, ahead = ManualClock(), ManualClock()
    ahead.advance(days=1)
    path = tmp_path / "state.db"
    away = SqliteState(
        path,
        seal=fixed_seal(),
        clock=clock,
        random=SeededRandom(),
        process=replace(Process.current(), host="elsewhere"),
    )
    here = SqliteState(path, seal=fixed_seal(), clock=ahead, random=SeededRandom(1))
    away.acquire("apply", timeout=0)
    intent = begin(away)
    here.acquire("apply", timeout=0)
    with pytest.raises(LockHeld):
        away.finish(intent, recorded())
    assert (here.serial, list(here.open_intents())) == (0, [intent])
    away.close()
    here.close()
