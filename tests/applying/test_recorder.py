"""What an apply writes beside its steps: read-backs, and what needs no step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.applying.recorder import Recorder
from reconciler.commands.planning import make_plan
from reconciler.commands.session import Session
from reconciler.errors import PartlyApplied
from reconciler.model.address import Address
from reconciler.model.recorded import Standing
from reconciler.planning.request import PlanRequest
from reconciler.state.store import What
from tests.world import World, document, provider

KEY = Address("Key/k")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "project")


class Blind:
    """A key service that no longer finds what it made."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def describe_keys(self, *arguments: Any) -> dict[str, Any]:
        return {}


def test_nothing_is_recorded_as_done_that_is_not_there_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Session.provider
    monkeypatch.setattr(Session, "provider", lambda self, name: Blind(original(self, name)))
    world.declare(provider() + document("Key", "k"))
    with pytest.raises(PartlyApplied):
        world.apply()
    assert [intent.address for intent in world.state().open_intents()] == [KEY]
    monkeypatch.undo()
    world.apply()
    row = world.state().get(KEY)
    assert row is not None
    assert row.settled
    assert not world.plan().has_changes


UNCHANGED = {
    "what is due and stays as it is": provider() + document("Key", "k", enabled="false", rotation="{every: 90d}"),
    "what is retained": provider(),
    "what is as declared": provider() + document("Key", "k", rotation="{every: 90d}"),
}


@pytest.mark.parametrize("case", UNCHANGED, ids=str)
def test_an_apply_that_has_nothing_to_write_makes_no_new_serial(world: World, case: str) -> None:
    world.declare(provider() + document("Key", "k"))
    world.apply()
    world.declare(UNCHANGED[case])
    world.apply()
    world.clock.advance(days=60 if case == "what is as declared" else 100)
    serial = world.state().serial
    world.apply()
    assert world.state().serial == serial


def test_a_protected_object_whose_manifest_is_gone_is_retained_and_taken_back_when_declared_again(
    world: World,
) -> None:
    world.declare(provider() + document("Key", "k"))
    world.apply()
    before = world.state().get(KEY)
    world.declare(provider())
    world.apply()
    retained = world.state().get(KEY)
    assert before is not None
    assert retained is not None
    assert (retained.standing, retained.identity) == (Standing.RETAINED, before.identity)
    world.declare(provider() + document("Key", "k"))
    world.apply()
    back = world.state().get(KEY)
    assert back is not None
    assert (back.standing, back.identity) == (Standing.MANAGED, before.identity)


def test_a_manifest_that_only_reads_differently_is_settled_without_a_step(world: World) -> None:
    """A field at its default, written out: the digest differs, and nothing is to be done about it."""
    world.declare(provider() + document("Key", "k"))
    world.apply()
    first = world.state().get(KEY)
    world.declare(provider() + document("Key", "k", lifecycle="{preventDestroy: false}"))
    assert not world.plan().has_changes
    world.apply()
    row = world.state().get(KEY)
    assert first is not None
    assert row is not None
    assert (first.protected, row.protected) == (True, False)
    assert row.digest != first.digest


def test_another_request_under_the_name_of_an_interrupted_step_has_a_token_of_its_own(world: World) -> None:
    """I10: a token stands for one request. The interrupted one is closed, and the journal says so."""
    world.declare(provider() + document("Key", "k", description="one"))
    world.apply()
    tokens = []
    with world.session() as session:
        session.store.acquire("test", timeout=0)
        for description in ("two", "two", "three"):
            world.declare(provider() + document("Key", "k", description=description))
            with world.session() as other:
                planned = make_plan(other, PlanRequest(), warn=False)
            (change,) = planned.plan.changes
            (operation,) = change.operations
            intent = Recorder(session.store, session, planned).begin(change, operation, operation.steps[0])
            tokens.append(intent.token)
            assert list(session.store.open_intents()) == [intent]
        ended = [entry.text for entry in session.store.history() if entry.what is What.ABANDONED]
        session.store.release()
    assert tokens[0] == tokens[1] != tokens[2]
    assert ended == ["describe was asked for anew, on other facts"]
