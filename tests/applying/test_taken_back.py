"""A change of key that was interrupted and then taken back: one apply leaves things as declared (I10, G14)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from reconciler.applying import executor
from reconciler.errors import CollectedErrors
from reconciler.model import event
from reconciler.model.address import Address
from reconciler.providers.typed import caller, table_provider, warehouse_provider
from reconciler_tables import Tables, switching
from reconciler_warehouse import Warehouse
from tests.world import World, document, provider

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


class Death(BaseException):
    """The process ends here."""


FREE = "{preventDestroy: false}"
PROVIDERS = provider() + provider("dw", "warehouse") + provider("tb", "tables")
TABLE = "{columns: [{name: id, type: uuid}], partitionKey: [id]}"


def key(name: str, **spec: str) -> str:
    return document("Key", name, lifecycle=FREE, **spec)


def cluster(under: str) -> str:
    return document("Cluster", "c", provider="dw", encryption=f"{{key: {under}}}")


def die_after(world: World, monkeypatch: pytest.MonkeyPatch, owner: type, method: str) -> None:
    """The next apply ends right after that call of a provider had its effect."""
    original = getattr(owner, method)

    def fatal(*arguments: Any, **named: Any) -> None:
        original(*arguments, **named)
        raise Death

    with monkeypatch.context() as armed, pytest.raises(Death):
        armed.setattr(owner, method, fatal)
        world.apply()


def test_what_a_switch_was_about_to_bring_in_goes_after_the_switch_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of a switch that was interrupted and taken back is not asked to go while the cluster is under it."""
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + key("old") + cluster("old"))
    world.apply()
    world.declare(PROVIDERS + key("old") + key("new") + cluster("new"))
    die_after(world, monkeypatch, Warehouse, "modify_encryption")
    turned = key("old", rotation="{trigger: now}")  # which the switch back waits for, and the removal does not
    world.declare(PROVIDERS + turned + cluster("old"))
    world.apply()
    assert not world.plan().has_changes


def test_the_state_knows_the_key_of_a_table_whose_switch_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "project")
    start = PROVIDERS + key("k") + document("Keyspace", "s", provider="tb")
    table = {"provider": "tb", "keyspace": "s", "schema": TABLE}
    world.declare(start + document("Table", "t", **table))
    world.apply()
    under = "{type: CUSTOMER_MANAGED_KMS_KEY, key: k}"
    world.declare(start + document("Table", "t", encryption=under, **table))
    die_after(world, monkeypatch, Tables, "update_table_encryption")
    world.apply()
    with world.session() as session:
        row = session.reader.get(Address("Table/t"))
        assert row is not None
        assert row.attributes["key_arn"] == session.attributes(Address("Key/k"))["arn"]
