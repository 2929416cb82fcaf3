"""A change of key that was interrupted and then taken back: one apply leaves things as declared (I10, G14)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from reconciler.applying import executor
from reconciler.errors import CollectedErrors
from reconciler.model import event
from reconciler.providers.typed import caller, table_provider, warehouse_provider
from reconciler_tables import switching
from tests.world import World

SCENARIOS = Path(__file__).parent.parent / "scenarios"


@pytest.mark.parametrize("case", ["decrypt-is-asked-for-by-name", "encrypt-a-plaintext-cluster"])
def test_one_apply_takes_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    world = World(tmp_path / "project")
    start = tmp_path / "start"
    shutil.copytree(SCENARIOS / case / "start", start)
    world.declare(start)
    world.apply()
    world.declare(SCENARIOS / case / "manifests")
    original = executor.Executor._say

    def interrupting(self: executor.Executor, what: event.Event) -> Any:
        if isinstance(what, event.StepProgress):
            raise OSError("interrupted in the middle of the step")
        return original(self, what)

    monkeypatch.setattr(executor.Executor, "_say", interrupting)
    with pytest.raises(CollectedErrors):
        world.apply()
    monkeypatch.undo()
    world.declare(start)
    world.apply()
    assert not world.plan().has_changes
    with world.session() as session:
        warehouse = warehouse_provider(session, "dw")
        found = warehouse.select(caller(session, "dw"), "people", "SELECT count(*) FROM people").rows
    assert found == [(3,)]


@pytest.mark.parametrize("case", ["a-table-from-the-owned-key-to-a-key-of-ones-own", "a-table-back-to-the-owned-key"])
def test_one_apply_takes_a_tables_switch_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    world = World(tmp_path / "project")
    world.declare(SCENARIOS / case / "start")
    world.apply()

    def interrupted(*arguments: Any) -> None:
        raise OSError("interrupted in the middle of the step")

    world.declare(SCENARIOS / case / "manifests")
    monkeypatch.setattr(switching, "_prove", interrupted)
    with pytest.raises(CollectedErrors):
        world.apply()
    monkeypatch.undo()
    world.declare(SCENARIOS / case / "start")
    world.apply()
    assert not world.plan().has_changes
    with world.session() as session:
        tables = table_provider(session, "tb")
        (found,) = tables.describe_tables(caller(session, "tb"))
    assert (found.key_arn is None) is (found.grant_id is None)
    assert found.status == "ACTIVE"
