"""``--replace``: made anew though nothing asks for it (CONTRACT 1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.commands.session import Session
from reconciler.errors import BlockedByGuard, UsageError
from reconciler.model.address import Address
from reconciler.providers.typed import caller, issuing_grants, warehouse_provider
from tests.resources.test_existing import MANAGED
from tests.world import World, document

ALL = MANAGED + document("Snapshot", "gone", provider="dw", cluster="c", retention="3d")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(ALL)
    made.apply()
    return made


def verbs(world: World, *addresses: str) -> dict[str, list[str]]:
    plan = world.plan(replace=tuple(map(Address, addresses)))
    return {change.address: [str(operation.verb) for operation in change.operations] for change in plan.changes}


MADE_ANEW = {
    "Alias/one": ["replace"],
    "KeyPolicy/one": ["replace"],
    "Grant/one": ["grant", "retire"],
    "SnapshotCopy/c": ["disable-copy", "enable-copy", "copy-snapshot"],
}


@pytest.mark.parametrize("address", MADE_ANEW)
def test_made_anew(address: str, world: World) -> None:
    assert verbs(world, address) == {address: MADE_ANEW[address]}
    world.apply(replace=(Address(address),))
    assert not world.plan().has_changes


REFUSED = {
    "Key/one": "replace-of-data",
    "Cluster/c": "replace-of-data",
    "Table/t": "replace-of-data",
    "Keyspace/ks": "replace-of-data",
    "Snapshot/s": "replace-of-data",
    "SnapshotCopyGrant/g": "copying-through-grant",
}


@pytest.mark.parametrize("address", REFUSED)
def test_keys_data_and_what_is_in_use_are_refused_with_a_way_out(address: str, world: World) -> None:
    plan = world.plan(replace=(Address(address),))
    (change,) = plan.changes
    assert [block.guard for block in change.blocked] == [REFUSED[address]]
    assert all(block.way_out for block in change.blocked)
    assert not change.operations
    with pytest.raises(BlockedByGuard):
        world.apply(replace=(Address(address),))


def test_a_grant_is_made_before_the_old_one_goes(world: World) -> None:
    with world.session() as session:
        before = session.attributes(Address("Grant/one"))["id"]
    world.apply(replace=(Address("Grant/one"),))
    with world.session() as session:
        after, arn = session.attributes(Address("Grant/one"))["id"], session.attributes(Address("Key/one"))["arn"]
        listed = {grant.grant_id for grant in issuing_grants(session, "kms").list_grants(caller(session, "kms"), arn)}
    assert after != before
    assert (after in listed, before in listed) == (True, False)


def test_a_copy_grant_that_nothing_copies_through_is_replaced(world: World) -> None:
    world.declare(ALL + document("SnapshotCopyGrant", "spare", provider="dw-us", key="us"))
    world.apply()
    assert verbs(world, "SnapshotCopyGrant/spare") == {"SnapshotCopyGrant/spare": ["replace"]}
    world.apply(replace=(Address("SnapshotCopyGrant/spare"),))
    assert not world.plan().has_changes


def delete_snapshot(session: Session, name: str) -> None:
    warehouse_provider(session, "dw").delete_snapshot(caller(session, "dw"), name)


def test_a_snapshot_that_is_gone_is_taken_again_only_when_asked(world: World) -> None:
    with world.session() as session:
        delete_snapshot(session, "gone")
    assert verbs(world) == {}
    assert verbs(world, "Snapshot/gone")["Snapshot/gone"] == ["forget", "snapshot"]
    world.apply(replace=(Address("Snapshot/gone"),))
    assert not world.plan().has_changes
    with world.session() as session:
        assert warehouse_provider(session, "dw").describe_snapshots(caller(session, "dw"), ["gone"])


def test_what_is_not_there_yet_is_made_as_ever(world: World) -> None:
    world.declare(ALL + document("Alias", "new", key="one"))
    assert verbs(world, "Alias/new") == {"Alias/new": ["create"]}


def test_a_resource_that_nobody_knows_is_told(world: World) -> None:
    with pytest.raises(UsageError, match="Alias/two is neither declared"):
        world.plan(replace=(Address("Alias/two"),))


def test_what_was_declared_protected_is_not_replaced(world: World) -> None:
    kept = ALL.replace("name: one}\nspec:\n  provider: kms\n  key: one\n", KEPT)
    assert kept != ALL
    world.declare(kept)
    world.apply()
    (change,) = world.plan(replace=(Address("Alias/one"),)).changes
    assert [block.guard for block in change.blocked] == ["replace-of-data"]


KEPT = "name: one}\nspec:\n  lifecycle: {preventDestroy: true}\n  provider: kms\n  key: one\n"


def test_the_plan_says_what_was_asked(world: World) -> None:
    assert world.plan(replace=(Address("Alias/one"),)).selection["replace"] == ("Alias/one",)
