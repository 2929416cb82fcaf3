"""The lock when clocks jump, and when the state is taken away under its holder: safety never rests on them (C8)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import HostError, LockHeld
from reconciler.host.process import Process
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.state.sqlite_store import LEASE_SECONDS, SqliteState
from reconciler.testing.fakes import ManualClock, SeededRandom, fixed_seal

ROW = Recorded(address=Address("Key/a"), uid="u", provider="p")
Opened = Callable[..., SqliteState]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """The state as a host sees it, each with a clock of its own."""
    made: list[SqliteState] = []

    def open_one(host: str, clock: ManualClock) -> SqliteState:
        process = replace(Process.current(), host=host)
        random = SeededRandom(len(made))
        made.append(SqliteState(tmp_path / "state.db", seal=fixed_seal(), clock=clock, random=random, process=process))
        return made[-1]

    yield open_one
    for store in made:
        store.close()


def test_a_clock_ahead_takes_a_living_holder_over_who_is_then_refused(opened: Opened) -> None:
    ours, theirs = ManualClock(), ManualClock()
    first, second = opened("one", ours), opened("two", theirs)
    token = first.acquire("apply", timeout=0).token
    theirs.advance(days=400)
    assert second.acquire("apply", timeout=0).token == token + 1
    for refused in (first.heartbeat, lambda: first.settle([ROW])):
        with pytest.raises(LockHeld, match="taken over by"):
            refused()
    theirs.advance(days=-800)  # and it jumps back: nothing is the first one's again
    with pytest.raises(LockHeld):
        first.settle([ROW])
    first.release()
    assert second.settle([ROW]) == 1


def test_a_clock_behind_only_waits_longer(opened: Opened) -> None:
    ours, theirs = ManualClock(), ManualClock()
    first, second = opened("one", ours), opened("two", theirs)
    first.acquire("apply", timeout=0)
    theirs.advance(days=-1)
    ours.advance(seconds=LEASE_SECONDS + 1)
    with pytest.raises(LockHeld, match=r"waited 5 s"):
        second.acquire("apply", timeout=5)
    theirs.advance(days=1)
    theirs.advance(seconds=LEASE_SECONDS)
    second.acquire("apply", timeout=0)


def test_a_holder_whose_clock_jumps_back_may_be_taken_over_and_is_refused_then(opened: Opened) -> None:
    ours, theirs = ManualClock(), ManualClock()
    first, second = opened("one", ours), opened("two", theirs)
    first.acquire("apply", timeout=0)
    ours.advance(hours=-1)
    first.heartbeat()
    assert first.settle([ROW]) == 1
    second.acquire("apply", timeout=0)
    with pytest.raises(LockHeld):
        first.heartbeat()


@pytest.mark.parametrize("days", [-4000, 4000])
def test_no_clock_takes_a_living_holder_of_this_host_over(opened: Opened, days: int) -> None:
    ours, theirs = ManualClock(), ManualClock()
    first, second = opened("one", ours), opened("one", theirs)
    first.acquire("apply", timeout=0)
    theirs.advance(days=days)
    with pytest.raises(LockHeld):
        second.acquire("apply", timeout=0)
    assert first.settle([ROW]) == 1


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_state_that_is_taken_away_is_written_to_no_more(tmp_path: Path, opened: Opened, how: str) -> None:
    """SQLite would go on in a file that has no name, and the next apply would begin another state beside it."""
    path = tmp_path / "state.db"
    first = opened("one", ManualClock())
    first.acquire("apply", timeout=0)
    first.settle([ROW])
    if how == "replaced":
        shutil.copy(path, tmp_path / "copy.db")
        (tmp_path / "copy.db").rename(path)
    else:
        path.rename(tmp_path / "elsewhere.db")
    for refused in (first.heartbeat, lambda: first.settle([replace(ROW, uid="v")]), first.release):
        with pytest.raises(HostError, match=f"was {how} while this run had it open"):
            refused()
