"""The lock's lease is prolonged, and whoever walks the plan hears when that fails."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reconciler.commands import applying
from reconciler.commands.heartbeat import Heartbeat
from reconciler.errors import HostError, LockHeld, LockLost, PartlyApplied, ReconcilerError
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import ManualClock
from tests.world import World, document, provider

MANY = provider() + "".join(document("Key", f"k{number}") for number in range(6))


def test_it_beats_until_its_block_ends() -> None:
    beaten = threading.Event()
    before = threading.active_count()
    with Heartbeat(beaten.set, every=0.001) as heart:
        assert beaten.wait(5)
    assert threading.active_count() == before
    beaten.clear()
    assert not beaten.wait(0.02)
    assert heart.failure is None


@pytest.mark.parametrize("error", [LockHeld("taken over"), HostError("no space left"), OSError("a bug")], ids=repr)
def test_the_first_failure_is_the_last_beat_and_is_told_once(error: Exception) -> None:
    beats, told, heard = [], [], threading.Event()

    def fail() -> None:
        beats.append(1)
        raise error

    with Heartbeat(fail, every=0.001) as heart:
        heart.when_it_stops(lambda: told.append("early"))
        heart.when_it_stops(heard.set)
        assert heard.wait(5)
        heart.when_it_stops(lambda: told.append("late"))
        assert not threading.Event().wait(0.02)
    assert isinstance(heart.failure, ReconcilerError)
    assert (beats, told) == ([1], ["early", "late"])


@pytest.mark.parametrize(
    ("error", "ends", "code"),
    [(LockHeld("the lock was taken over"), LockLost, 6), (HostError("the state: no space left"), PartlyApplied, 7)],
    ids=["lock", "disk"],
)
def test_an_apply_whose_heartbeat_fails_stops_at_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ReconcilerError, ends: type[ReconcilerError], code: int
) -> None:
    """It does not go on for as long as its token happens to be the newest."""
    world = World(tmp_path / "project", clock=ManualClock())
    world.declare(MANY)
    begun = threading.Event()
    failed = threading.Event()
    finish = SqliteState.finish

    def beat(state: SqliteState) -> None:
        assert begun.wait(10)
        raise error

    def finishing(state: SqliteState, *arguments: object) -> int:
        begun.set()
        assert failed.wait(10)
        return finish(state, *arguments)  # type: ignore[arg-type]  # passed through

    stop_at = Heartbeat._stopped

    def stopped(heart: Heartbeat, why: ReconcilerError) -> None:
        stop_at(heart, why)
        failed.set()

    monkeypatch.setattr(applying, "HEARTBEAT_SECONDS", 0.001)
    monkeypatch.setattr(SqliteState, "heartbeat", beat)
    monkeypatch.setattr(SqliteState, "finish", finishing)
    monkeypatch.setattr(Heartbeat, "_stopped", stopped)
    with pytest.raises(ends, match=r"\(and 1 more\)") as raised:
        world.apply()
    assert raised.value.exit_code == code
    shown = [each.summary for each in raised.value.diagnostics()]
    assert shown[0] == error.summary
    assert shown[-1] == "1 operation done, 0 failed, 5 not finished"
    monkeypatch.undo()
    world.apply()
    assert not world.plan().has_changes
