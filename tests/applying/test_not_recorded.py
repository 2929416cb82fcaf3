"""An effect that the state cannot be told of: said loudly, and found by the next apply (I15)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.applying.executor import Executor
from reconciler.errors import NotRecorded, PartlyApplied, ReconcilerError
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.key.steps import CreateKey
from reconciler.state.sqlite_store import SqliteState
from tests.world import World, document, provider

KEY = Address("Key/k")
LONG = "x" * 8000


def a_full_disk(state: SqliteState) -> None:
    """SQLite's own limit raises the same error as a disk without space."""
    (pages,) = state._connection.execute("PRAGMA page_count").fetchone()
    state._connection.execute(f"PRAGMA max_page_count={pages}")


def a_disk_that_fails(state: SqliteState) -> None:
    """As ``a_full_disk``, at the moment of the commit."""
    inner = state._connection
    struck: list[str] = []

    class Failing:
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if statement == "COMMIT" and not struck:
                struck.append(statement)
                inner.execute("ROLLBACK")
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
                raise error
            return inner.execute(statement, *arguments)

        def __getattr__(self, name: str) -> object:
            return getattr(inner, name)

    state._connection = Failing()  # type: ignore[assignment]  # what a Connection is used for here


@pytest.mark.parametrize("strike", [a_full_disk, a_disk_that_fails])
def test_what_was_done_is_said_and_the_next_apply_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strike: Callable[[SqliteState], None]
) -> None:
    world = World(tmp_path / "project")
    world.declare(provider() + document("Key", "k", tags=f"{{long: {'y' * 200}}}", description=LONG))
    run = CreateKey.run

    def runs_into_it(step: CreateKey, services: object) -> object:
        outcome = run(step, services)  # type: ignore[arg-type]  # handed on as it came
        strike(opened[-1])
        return outcome

    opened: list[SqliteState] = []
    acquire = SqliteState.acquire

    def acquired(self: SqliteState, command: str, *, timeout: float, over: int | None = None) -> object:
        opened.append(self)
        return acquire(self, command, timeout=timeout, over=over)

    said: list[ReconcilerError] = []
    monkeypatch.setattr(Executor, "_note", lambda self, error, result: said.append(error))
    monkeypatch.setattr(CreateKey, "run", runs_into_it)
    monkeypatch.setattr(SqliteState, "acquire", acquired)
    with pytest.raises(PartlyApplied) as failed:
        world.apply()
    monkeypatch.undo()
    assert failed.value.exit_code == 7
    (loud,) = said
    assert isinstance(loud, NotRecorded)
    assert re.fullmatch(
        r"Key/k: create-key was carried out \(it is there as [0-9a-f-]{36}\), and that could not be recorded",
        loud.summary,
    )
    assert "the next apply looks first for what it did" in (loud.suggestion or "")
    assert [intent.address for intent in world.state().open_intents()] == [KEY]
    assert world.state().get(KEY) is None
    told = world.apply()
    assert "it was carried out: found" in told
    with world.session() as session:
        assert len(key_provider(session, "kms").list_keys(caller(session, "kms"))) == 1, "made twice"
    assert not world.plan().has_changes
