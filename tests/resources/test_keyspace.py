"""Keyspace: there or not there; its replication class is a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConflictException
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.providers import tables
from reconciler.resources.keyspace.kind import KIND
from reconciler.resources.keyspace.spec import KeyspaceSpec
from tests.resources.in_memory import World, shape

ADDRESS = Address("Keyspace/travel")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def keyspace(**spec: Any) -> KeyspaceSpec:
    return KeyspaceSpec.model_validate({"provider": "tables", **spec})


def test_it_is_made_once(world: World) -> None:
    verdict = world.apply(KIND, "travel", keyspace())
    assert (verdict.action, shape(verdict)) == (Action.CREATE, ["create: create-keyspace"])
    assert shape(world.plan(KIND, "travel", keyspace())) == []


def test_it_is_made_again_when_it_was_removed_behind_our_back(world: World) -> None:
    world.apply(KIND, "travel", keyspace())
    world.tables.keyspaces.clear()
    assert [finding.drift_class for finding in world.drift(KIND, "travel")] == ["resource-missing"]
    world.apply(KIND, "travel", keyspace())
    assert list(world.tables.keyspaces) == ["travel"]
    assert world.drift(KIND, "travel") == []


def test_its_replication_class_changes_in_the_state_alone(world: World) -> None:
    world.apply(KIND, "travel", keyspace())
    desired = keyspace(replicationClass="MultiRegionStrategy")
    verdict = world.apply(KIND, "travel", desired)
    assert shape(verdict) == ["update: relabel"]
    assert [(entry.path, entry.after) for entry in verdict.diff] == [("spec.replicationClass", "MultiRegionStrategy")]
    assert shape(world.plan(KIND, "travel", desired)) == []


def test_it_is_not_renamed(world: World) -> None:
    world.apply(KIND, "travel", keyspace())
    verdict = world.plan(KIND, "travel", keyspace(externalName="trips"))
    assert shape(verdict) == ["blocked: keyspace-rename"]
    assert "externalName: travel" in verdict.blocked[0].way_out[0]


def test_removing_it(world: World) -> None:
    world.apply(KIND, "travel", keyspace())
    assert shape(world.apply(KIND, "travel", None)) == ["delete: delete-keyspace"]
    assert world.tables.keyspaces == {}
    assert world.plan(KIND, "travel", None).action is Action.NOOP


def test_removing_what_is_gone_forgets_it(world: World) -> None:
    world.apply(KIND, "travel", keyspace())
    world.tables.keyspaces.clear()
    assert world.plan(KIND, "travel", None).action is Action.FORGET


def test_a_keyspace_with_tables_stays_and_says_why(world: World) -> None:
    world.apply(KIND, "travel", keyspace())
    schema = tables.TableSchema(columns=(tables.Column(name="a", type="int"),), partition_key=("a",))
    request = tables.TableRequest(keyspace="travel", name="trips", schema=schema, key_arn=None)
    world.tables.create_table(caller=_caller(), request=request, token=f"{ADDRESS}")
    with pytest.raises(ConflictException, match="Keyspace/travel still has tables") as caught:
        world.apply(KIND, "travel", None)
    assert caught.value.suggestion is not None
    assert ADDRESS in world.rows


def _caller() -> Any:
    return None
