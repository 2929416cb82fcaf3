"""A cluster goes to another root without its snapshots: they stay under their own, and the census says so."""

from __future__ import annotations

import pytest

from reconciler.errors import DisabledException, InvalidClusterStateFault
from reconciler.providers.data import ClusterRequest
from reconciler.providers.warehouse import LeavesSnapshotsBehind
from reconciler_warehouse.tests.worlds import NONE, World, silent

QUESTION = "SELECT count(*) FROM flights"


def arn(world: World, name: str) -> str:
    return str(world.key(name).key_arn)


def switch(world: World, key: str, call: str, *, alone: bool = False) -> None:
    warehouse = world.warehouse()
    assert isinstance(warehouse, LeavesSnapshotsBehind)
    change = warehouse.switch_root_alone if alone else warehouse.modify_encryption
    change(world.caller, "sales", world.key(key), progress=silent, token=call)


def snapshot(world: World, name: str) -> None:
    world.warehouse().create_snapshot(world.caller, "sales", name, retention_days=None, token=name)


def rotate(world: World, call: str = "rotate") -> None:
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token=call)


def uses(world: World, key: str) -> list[tuple[str, bool]]:
    """What is under the key, and whether it follows its cluster."""
    return [(one.name, one.of is not None) for one in world.warehouse().key_uses(arn(world, key))]


@pytest.fixture
def behind(world: World) -> World:
    """Under k2, with a snapshot that stayed under k1."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    snapshot(world, "early")
    switch(world, "k2", "first", alone=True)
    return world


def test_the_snapshot_stays_where_it_is_and_keeps_its_key(behind: World) -> None:
    switch(behind, "k2", "first", alone=True)
    assert uses(behind, "k1") == [("early", False)]
    assert uses(behind, "k2") == [("sales", False)]
    (kept,) = behind.warehouse().describe_snapshots(behind.caller)
    assert kept.root == behind.key("k1")
    assert len(behind.keys().list_grants(behind.caller, arn(behind, "k1"))) == 1
    behind.keys().disable_key(behind.caller, arn(behind, "k1"))
    assert behind.select(QUESTION) == [(5000,)]
    behind.warehouse().delete_snapshot(behind.caller, "early")
    assert uses(behind, "k1") == []
    behind.warehouse().clear_up()


def test_no_later_switch_takes_it_along_but_those_that_follow(behind: World) -> None:
    snapshot(behind, "late")
    switch(behind, "k3", "second")
    assert uses(behind, "k1") == [("early", False)]
    assert uses(behind, "k3") == [("sales", False), ("late", True)]
    switch(behind, "k1", "back")
    assert uses(behind, "k1") == [("sales", False), ("early", True), ("late", True)]


def test_a_rotation_gives_it_new_keys_under_its_own_root(behind: World) -> None:
    before = {one.version for one in behind.warehouse().key_versions()}
    rotate(behind)
    assert uses(behind, "k1") == [("early", False)]
    assert not before & {one.version for one in behind.warehouse().key_versions()}
    restored(behind)


def test_a_root_of_its_own_that_is_lost_keeps_nothing_else_from_being_rotated(behind: World) -> None:
    behind.keys().disable_key(behind.caller, arn(behind, "k1"))
    rotate(behind)
    assert behind.select(QUESTION) == [(5000,)]
    assert any("gets no new keys" in one.message for one in behind.warehouse().events("sales"))
    behind.keys().enable_key(behind.caller, arn(behind, "k1"))
    restored(behind)


def restored(world: World) -> None:
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=world.key("k4"))
    world.warehouse().restore_cluster(world.caller, request, "early", progress=silent, token="restore")
    assert world.select(QUESTION, "again") == [(5000,)]


def test_only_between_two_roots(world: World) -> None:
    world.create(NONE)
    with pytest.raises(InvalidClusterStateFault):
        switch(world, "k1", "on", alone=True)


def test_a_root_that_cannot_be_used_changes_nothing(behind: World) -> None:
    behind.keys().disable_key(behind.caller, arn(behind, "k3"))
    with pytest.raises(DisabledException):
        switch(behind, "k3", "second", alone=True)
    assert uses(behind, "k2") == [("sales", False)]
