"""An older copy of the state that was put back is noticed, and nothing of it is obeyed (I16)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.applying import executor
from reconciler.commands import applying, marking
from reconciler.errors import AccessDeniedException, CollectedErrors, LockHeld, StateRolledBack
from reconciler.model.address import Address
from reconciler.providers.marks import Mark
from reconciler.resources.alias.steps import CreateAlias
from reconciler.state.store import Position
from tests.world import World, document, provider

KEY = Address("Key/k")


def declared(description: str) -> str:
    return provider() + document("Key", "k", description=description)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "project")
    world.declare(declared("one"))
    world.apply()
    return world


def state_path(world: World) -> Path:
    with world.session() as session:
        return session.settings.state_path


def copy(world: World) -> Callable[[], None]:
    """Keep a copy of the state; what is answered puts it back."""
    path = state_path(world)
    kept = path.with_name("kept.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(path, kept)

    def put_back() -> None:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(kept, path)

    return put_back


def mark_of(world: World) -> Mark:
    with world.session() as session:
        (mark,) = marking.Marks(session).known(session.reader.lineage).values()
        return mark


def test_an_apply_leaves_the_mark_where_the_state_is(world: World) -> None:
    with world.session() as session:
        position = session.reader.position()
    assert mark_of(world) == Mark(token=position.token, serial=position.serial, head=position.head)


def test_an_older_state_is_refused_by_apply_plan_and_drift_with_both_serials(world: World) -> None:
    put_back = copy(world)
    world.declare(declared("two"))
    world.apply()
    put_back()
    before = state_path(world).read_bytes()
    for call in (world.apply, world.plan):
        with pytest.raises(StateRolledBack, match=r"is at serial 1 .* at serial 2 .* an older copy") as refused:
            call()
        assert refused.value.exit_code == 1
        assert "state reseal" in (refused.value.suggestion or "")
    assert state_path(world).read_bytes() == before, "the refused apply wrote to it"


def test_an_older_state_is_not_asked_what_was_begun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put_back = copy(world)
    world.declare(declared("two"))
    world.apply()
    put_back()
    monkeypatch.setattr(applying, "recover", lambda *_: pytest.fail("it was obeyed"))
    with pytest.raises(StateRolledBack):
        world.apply()


def test_a_state_without_what_was_done_since_under_the_same_serial_is_refused(world: World) -> None:
    put_back = copy(world)
    with world.session() as session, applying.holding_lock(session, "test", 0, "text"):
        session.store.mark_plan_used("p-1")
    put_back()
    with pytest.raises(StateRolledBack):
        world.apply()


@pytest.mark.parametrize(
    ("position", "marks", "refused"),
    {
        "the very one": (Position(5, 40, "ab"), [Mark(token=5, serial=40, head="ab")], False),
        "while an apply is under way": (Position(5, 40, "cd"), [Mark(token=5, serial=40)], False),
        "another of the same moment": (Position(5, 40, "cd"), [Mark(token=5, serial=40, head="ab")], True),
        "further": (Position(6, 41, "cd"), [Mark(token=5, serial=40, head="ab")], False),
        "an older serial": (Position(5, 39, "ab"), [Mark(token=5, serial=40)], True),
        "an older serial whose lock was taken often": (Position(9, 39, "ab"), [Mark(token=5, serial=40)], True),
        "an older token": (Position(4, 40, "ab"), [Mark(token=5, serial=40)], True),
        "the highest of several counts": (
            Position(5, 40, "ab"),
            [Mark(token=3, serial=2), Mark(token=6, serial=41), Mark(token=1, serial=1)],
            True,
        ),
        "no marks": (Position(1, 1, "ab"), [], False),
    }.values(),
    ids=lambda value: "",
)
def test_what_counts_as_put_back(world: World, position: Position, marks: list[Mark], refused: bool) -> None:
    with world.session() as session:
        known = {str(number): mark for number, mark in enumerate(marks)}
        if refused:
            with pytest.raises(StateRolledBack):
                marking.Marks(session).compare(position, known)
        else:
            marking.Marks(session).compare(position, known)


def test_an_apply_that_died_leaves_a_mark_that_the_next_one_passes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    def dies(self: executor.Executor, planned: object) -> None:
        raise Death

    world.declare(declared("two"))
    monkeypatch.setattr(executor.Executor, "run", dies)
    monkeypatch.setattr(marking.Marks, "finish", lambda self, store: None)  # a process that is gone raises no mark
    with pytest.raises(Death):
        world.apply()
    monkeypatch.undo()
    assert mark_of(world).head == ""
    world.apply()
    assert not world.plan().has_changes


def test_a_failed_apply_leaves_the_mark_where_the_state_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise AccessDeniedException("not today")

    monkeypatch.setattr(CreateAlias, "run", denied)
    world.declare(declared("two") + document("Alias", "a", key="k"))
    with pytest.raises(CollectedErrors):
        world.apply()
    with world.session() as session:
        assert mark_of(world).serial == session.reader.serial


def test_who_was_overtaken_raises_no_mark(world: World) -> None:
    with world.session() as session:
        marks = marking.Marks(session)
        session.store.acquire("test", timeout=0)
        before = mark_of(world)
        with world.session() as other:
            other.store.acquire("test", timeout=0, over=session.store.found.token + 1)
            with pytest.raises(LockHeld):
                marks.finish(session.store)
            other.store.release()
        assert mark_of(world) == before
