"""What is applied is what is declared when the lock is held, not what was read before somebody else applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.commands.marking import Marks
from reconciler.errors import BlockedByGuard, LockLost, ReconcilerError
from reconciler.providers.typed import caller, key_provider
from reconciler.state.sqlite_store import SqliteState
from tests.world import World, document, provider


def declared(text: str) -> str:
    return provider() + document("Key", "k", description=text)


def description(world: World) -> str:
    with world.session() as session:
        (key,) = key_provider(session, "kms").list_keys(caller(session, "kms"))
        return key.description


def test_manifests_that_somebody_changed_and_applied_meanwhile_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "project")
    world.declare(declared("one"))
    world.apply()
    world.declare(declared("two"))
    compare, is_first = Marks.compare, True

    def compare_late(*arguments: object) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            world.declare(declared("three"))
            world.apply()
        compare(*arguments)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(Marks, "compare", compare_late)
    world.apply()
    assert description(world) == "three"


@pytest.mark.parametrize("error", [BlockedByGuard([]), ReconcilerError("no")], ids=["blocked", "error"])
def test_who_lost_the_lock_while_planning_ends_with_6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ReconcilerError
) -> None:
    """Whatever the plan says then, it says of a world that has gone on."""
    world = World(tmp_path / "project")
    world.declare(declared("one"))
    world.apply()

    def overtaken(*arguments: object, **named: object) -> None:
        with world.session() as other:
            store: SqliteState = other.store
            holder = store.lock_holder()
            assert holder is not None
            store.acquire("lock break", timeout=0, over=holder.token)
            store.release()
        raise error

    monkeypatch.setattr("tests.world.make_plan", overtaken)
    with pytest.raises(LockLost) as raised:
        world.apply()
    assert raised.value.exit_code == 6
    assert "taken over" in raised.value.diagnostics()[-1].summary
