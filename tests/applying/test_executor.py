"""How an apply goes wrong, and how the next one goes on (DESIGN 4, I10, I11)."""

from __future__ import annotations

import errno
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.commands.session import Session
from reconciler.errors import (
    AccessDeniedException,
    BlockedByGuard,
    CollectedErrors,
    ConflictException,
    HostError,
    LockHeld,
    PartlyApplied,
    ThrottlingException,
)
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider
from tests.world import World, document, provider

PROVIDER = provider()

BOTH = PROVIDER + "".join(
    document("Key", name, description=name, rotation="{trigger: one}") + document("Alias", name, key=name)
    for name in ("orders", "users")
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "project")


class Breaking:
    """Wraps a key service; the ``number``-th mutating call raises, before or after its effect."""

    def __init__(self, inner: Any, number: int, *, after: bool, error: Exception) -> None:
        self._inner, self._left, self._after, self._error = inner, number, after, error
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        reads = ("describe", "list", "get", "find", "default", "close", "mark")
        if not callable(found) or name.startswith(reads) or name == "raise_mark":  # the tool's own, before any step
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                self._left -= 1
                is_mine = self._left == 0
            if is_mine and not self._after:
                raise self._error
            answer = found(*arguments, **named)
            if is_mine:
                raise self._error
            return answer

        return call


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the n-th mutating call of every session's key service fail."""
    original = Session.provider

    def breaking(number: int, *, after: bool, error: Exception) -> None:
        made: dict[int, Any] = {}

        def provider(self: Session, name: str) -> object:
            return made.setdefault(id(self), Breaking(original(self, name), number, after=after, error=error))

        monkeypatch.setattr(Session, "provider", provider)

    breaking.mend = lambda: monkeypatch.setattr(Session, "provider", original)  # type: ignore[attr-defined]
    return breaking


def keys_of(world: World) -> list[str]:
    with world.session() as session:
        service = key_provider(session, "kms")
        return sorted(key.description for key in service.list_keys(caller(session, "kms")))


def test_a_failure_skips_what_depends_on_it_and_nothing_else(world: World, broken: Any) -> None:
    world.declare(BOTH)
    broken(1, after=False, error=ConflictException("not now"))
    with pytest.raises(PartlyApplied) as caught:
        world.apply()
    broken.mend()
    assert "2 operations done, 1 failed, 1 not finished" in caught.value.diagnostics()[-1].summary
    assert keys_of(world) == ["users"]
    world.apply()
    assert keys_of(world) == ["orders", "users"]
    assert not world.plan().has_changes


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize(
    "error",
    [ConflictException("not now"), AccessDeniedException("no"), OSError(errno.ENOSPC, "No space left on device")],
    ids=lambda error: type(error).__name__,
)
def test_an_apply_that_failed_anywhere_is_taken_up_and_nothing_is_made_twice(
    world: World, broken: Any, number: int, after: bool, error: Exception
) -> None:
    world.declare(BOTH)
    broken(number, after=after, error=error)
    with pytest.raises(PartlyApplied):
        world.apply()
    broken.mend()
    world.apply()
    assert keys_of(world) == ["orders", "users"]
    assert not world.plan().has_changes
    assert not world.state().open_intents()


ONE = PROVIDER + document("Key", "orders")
ENDINGS = {
    "refused by the service before anything was done: 1": (AccessDeniedException("no"), 1),
    "refused by a guard right before the call: 4": (BlockedByGuard([]), 4),
    "the outcome is not known: 7": (OSError(errno.EIO, "Input/output error"), 7),
    "somebody else holds the lock by now: 6": (LockHeld("taken over"), 6),
}


def test_a_call_that_is_told_to_come_again_later_does(world: World, broken: Any) -> None:
    world.declare(ONE)
    broken(1, after=False, error=ThrottlingException("later"))
    world.apply()
    broken.mend()
    assert not world.plan().has_changes


def test_an_intent_that_cannot_be_written_is_no_effect(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.state.sqlite_store import SqliteState

    def full(*arguments: Any, **named: Any) -> Any:
        raise HostError("no space left on the device")

    world.declare(ONE)
    monkeypatch.setattr(SqliteState, "begin", full)
    with pytest.raises(CollectedErrors) as caught:
        world.apply()
    assert caught.value.exit_code == 1
    monkeypatch.undo()
    assert keys_of(world) == []


@pytest.mark.parametrize("case", ENDINGS, ids=str)
def test_the_exit_code_says_whether_anything_was_done(world: World, broken: Any, case: str) -> None:
    error, code = ENDINGS[case]
    world.declare(ONE)
    broken(1, after=False, error=error)
    with pytest.raises(CollectedErrors) as caught:
        world.apply()
    assert caught.value.exit_code == code


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
def test_a_rotation_that_was_interrupted_happens_once(world: World, broken: Any, after: bool) -> None:
    world.declare(BOTH)
    world.apply()
    before = _materials(world)
    world.declare(BOTH.replace("one", "two"))
    broken(1, after=after, error=ConflictException("lost the answer"))
    with pytest.raises(PartlyApplied):
        world.apply()
    broken.mend()
    world.apply()
    now = _materials(world)
    assert all(now[key] - before[key] == 1 for key in before)


@pytest.mark.parametrize(
    "narrowed", [{"targets": (Address("Key/users"),)}, {"excludes": (Address("Key/orders"),)}], ids=["to", "without"]
)
def test_a_narrowed_apply_leaves_the_tokens_of_steps_that_it_did_not_look_at(
    world: World, broken: Any, narrowed: dict[str, Any]
) -> None:
    world.declare(BOTH)
    world.apply()
    before = _materials(world)
    world.declare(BOTH.replace("one", "two"))
    broken(1, after=True, error=HostError("lost the answer"))
    with pytest.raises(PartlyApplied):
        world.apply(targets=(Address("Key/orders"),))
    broken.mend()
    with closing(world.state()) as state:
        open_before = [(intent.address, intent.token) for intent in state.open_intents()]
    world.apply(**narrowed)
    with closing(world.state()) as state:
        assert [(intent.address, intent.token) for intent in state.open_intents()] == open_before
    world.apply()
    now = _materials(world)
    assert all(now[key] - before[key] == 1 for key in before)


def _materials(world: World) -> Mapping[str, int]:
    """How many materials each key has in its store."""
    import sqlite3

    counts: dict[str, int] = {}
    for path in (world.folder / ".reconciler").rglob("keys.db"):
        connection = sqlite3.connect(path)
        counts |= dict(connection.execute("SELECT key_id, count(*) FROM materials GROUP BY key_id"))
        connection.close()
    return counts


def test_a_stop_lets_running_steps_end_and_the_next_apply_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.applying import executor

    world.declare(BOTH)
    original = executor.Executor._step

    def stopping(self: executor.Executor, *arguments: Any, **named: Any) -> int:
        self.stop.set()
        return original(self, *arguments, **named)

    monkeypatch.setattr(executor.Executor, "_step", stopping)
    with pytest.raises(PartlyApplied):
        world.apply()
    monkeypatch.setattr(executor.Executor, "_step", original)
    assert keys_of(world) == ["orders"]
    world.apply()
    assert keys_of(world) == ["orders", "users"]
    assert not world.plan().has_changes


def test_a_step_that_stops_at_a_checkpoint_is_gone_on_with_by_the_next_apply(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.declare(BOTH)
    original = Session.provider

    def checking(self: Session, name: str) -> object:
        if self.stop is not None:
            self.stop.set()
            self.checkpoint()
        return original(self, name)

    monkeypatch.setattr(Session, "provider", checking)
    with pytest.raises(PartlyApplied) as stopped:
        world.apply()
    monkeypatch.setattr(Session, "provider", original)
    said = stopped.value.diagnostics()[-1]
    assert "0 failed" in said.summary
    assert str(said.suggestion).startswith("Run apply again")
    assert keys_of(world) == []
    world.apply()
    assert keys_of(world) == ["orders", "users"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wishes=st.lists(
        st.tuples(st.sampled_from(["orders", "users", "third"]), st.sampled_from(["one", "two"]), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_is_declared_after_apply_there_is_nothing_to_do(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[tuple[str, str, bool]]
) -> None:
    world = World(tmp_path_factory.mktemp("world") / "project")
    for name, trigger, is_enabled in wishes:
        world.declare(
            PROVIDER
            + document("Key", name, enabled=str(is_enabled).lower(), rotation=f"{{trigger: {trigger}}}")
            + document("Alias", "name", key=name)
        )
        world.apply()
        plan = world.plan()
        assert not plan.has_changes
        assert plan.summary()["noop"] == 2


def test_state_records_each_finished_step_under_its_own_serial(world: World) -> None:
    world.declare(BOTH)
    world.apply()
    reader = world.state()
    assert reader.serial == 4
    row = reader.get(Address("Alias/users"))
    assert row is not None
    assert row.settled
    assert row.references == (Address("Key/users"),)
