"""SnapshotCopy: copying on, off, and every snapshot at the destination (SC2, SC4, I18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import BlockedByGuard, ResourceNotFoundException
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.providers import data
from reconciler.providers.warehouse import Inaccessibility, RootKeyState
from reconciler.resources.cluster.kind import KIND as CLUSTER
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.snapshot.kind import KIND as SNAPSHOT
from reconciler.resources.snapshot.spec import SnapshotSpec
from reconciler.resources.snapshot_copy.kind import KIND
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec
from reconciler.resources.snapshot_copy_grant.kind import KIND as GRANT
from reconciler.resources.snapshot_copy_grant.spec import SnapshotCopyGrantSpec
from tests.resources.in_memory import World, kms, shape

NAME = "sales-to-us"
ADDRESS = Address("SnapshotCopy/sales-to-us")
SWITCHED = ["disable-copy: disable-copy", "enable-copy: enable-copy", "copy-snapshot: copy-snapshots"]
UNDER_ONE = ClusterSpec.model_validate({"provider": "eu", "encryption": {"key": "one"}})


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.key("one")
    made.apply(CLUSTER, "sales", UNDER_ONE)
    made.apply(CLUSTER, "open", ClusterSpec(provider="eu"))
    take(made, "first")
    for grant in ("from-eu", "second-grant"):
        made.apply(GRANT, grant, SnapshotCopyGrantSpec.model_validate({"provider": "us", "key": "one"}))
    return made


def take(world: World, name: str, cluster: str = "sales") -> None:
    world.apply(SNAPSHOT, name, SnapshotSpec.model_validate({"provider": "eu", "cluster": cluster}))


def copy(**spec: Any) -> SnapshotCopySpec:
    wanted = {"provider": "eu", "cluster": "sales", "to": "us", "grant": "from-eu", **spec}
    return SnapshotCopySpec.model_validate({name: value for name, value in wanted.items() if value is not None})


def observed(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.eu.clusters["sales"] = replace(world.eu.clusters["sales"], **changes)

    return change


def second_taken(world: World) -> None:
    take(world, "second")


def without_its_root(world: World) -> None:
    take(world, "second")
    since = world.clock.now()
    lost = Inaccessibility(
        since=since, deadline=since + timedelta(days=14), cause=RootKeyState.DISABLED, backup="sales-backup"
    )
    observed(status="inaccessible-kms-key", inaccessible=lost)(world)


def another_clusters_taken(world: World) -> None:
    take(world, "elsewhere", "open")


def copy_lost(world: World) -> None:
    world.us.snapshots.clear()


def copy_expired(world: World) -> None:
    world.clock.advance(days=7)
    world.us.snapshots.clear()


def copied_by_itself_and_over(world: World) -> None:
    """The warehouse copies new snapshots by itself: no record tells of that."""
    take(world, "second")
    world.clock.advance(days=7)
    world.us.snapshots.clear()


@dataclass(frozen=True, kw_only=True)
class Case:
    """Copying is applied, ``behind`` changes the world behind our back, ``after`` is planned."""

    after: SnapshotCopySpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None


def status(**changes: Any) -> Callable[[World], None]:
    on = data.CopyStatus(region="us-east-1", grant_name="from-eu", retention_days=7)
    return observed(copy=replace(on, **changes))


CASES = {
    "nothing differs: nothing to do": Case(after=copy(), expect=[]),
    "a snapshot has not arrived: copy it": Case(
        behind=second_taken, after=copy(), expect=["copy-snapshot: copy-second"]
    ),
    "its cluster's root key is lost: nothing is copied until it is back (RE8)": Case(
        behind=without_its_root, after=copy(), expect=[]
    ),
    "nor is its copying changed meanwhile (RE8)": Case(
        behind=without_its_root, after=copy(retention="14d"), expect=["blocked: warehouse-inaccessible"]
    ),
    "another cluster's snapshots are not its business": Case(behind=another_clusters_taken, after=copy(), expect=[]),
    "a copy is lost: copy it again": Case(behind=copy_lost, after=copy(), expect=["copy-snapshot: copy-first"]),
    "a copy that expired is not made a second time": Case(behind=copy_expired, after=copy(), expect=[]),
    "nor one that the warehouse made by itself": Case(behind=copied_by_itself_and_over, after=copy(), expect=[]),
    "switched off behind our back: on again": Case(
        behind=observed(copy=None), after=copy(), expect=["enable-copy: enable-copy", "copy-snapshot: copy-snapshots"]
    ),
    "another grant: off and on": Case(after=copy(grant="second-grant"), expect=SWITCHED),
    "another retention: off and on": Case(after=copy(retention="14d"), expect=SWITCHED),
    "redirected behind our back: off and on": Case(behind=status(region="ap-south-1"), after=copy(), expect=SWITCHED),
    "the grant was taken away behind our back: off and on": Case(
        behind=status(grant_name=None), after=copy(), expect=SWITCHED
    ),
    "the grant is left out: no silent downgrade (CONTRACT 5)": Case(
        after=copy(grant=None), expect=["blocked: silent-downgrade"]
    ),
    "another cluster: off there and on here": Case(after=copy(cluster="open"), expect=SWITCHED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_copying_that_is_on(world: World, case: Case) -> None:
    world.apply(KIND, NAME, copy())
    case.behind(world)
    verdict = world.plan(KIND, NAME, case.after)
    assert shape(verdict) == case.expect
    if verdict.operations:
        world.apply(KIND, NAME, case.after)
        assert shape(world.plan(KIND, NAME, case.after)) == []


def test_copying_starts_with_the_snapshots_that_are_there(world: World) -> None:
    verdict = world.apply(KIND, NAME, copy())
    assert verdict.action is Action.CREATE
    assert shape(verdict) == ["enable-copy: enable-copy", "copy-snapshot: copy-snapshots"]
    assert list(world.us.snapshots) == ["copy-first"]
    assert world.eu.clusters["sales"].copy == data.CopyStatus(
        region="us-east-1", grant_name="from-eu", retention_days=7
    )
    assert world.eu.calls.count("copy_snapshot first") == 1
    assert world.eu.calls.count("enable_snapshot_copy") == 1


def test_snapshots_that_the_same_plan_takes_are_copied_by_it(world: World) -> None:
    world.apply(KIND, NAME, copy())
    world.arriving = (Address("Snapshot/second"),)
    verdict = world.plan(KIND, NAME, copy())
    assert shape(verdict) == ["copy-snapshot: copy-snapshots"]
    assert verdict.operations[0].reason == "Snapshot/second is taken by this plan"
    take(world, "second")
    world.carry_out(ADDRESS, copy(), verdict.operations)
    world.arriving = ()
    assert shape(world.plan(KIND, NAME, copy())) == []


@pytest.mark.parametrize(
    ("root", "expect"),
    [
        ({"key": "one"}, ["blocked: silent-downgrade"]),
        ({"owned": True}, ["enable-copy: enable-copy", "copy-snapshot: copy-snapshots"]),
        ({"enabled": False}, ["enable-copy: enable-copy", "copy-snapshot: copy-snapshots"]),
    ],
)
def test_a_grant_is_needed_as_soon_as_the_cluster_is_declared_under_a_key(
    world: World, root: dict[str, Any], expect: list[str]
) -> None:
    world.declared[Address("Cluster/new")] = ClusterSpec.model_validate({"provider": "eu", "encryption": root})
    assert shape(world.plan(KIND, NAME, copy(cluster="new", grant=None))) == expect


def test_an_owned_cluster_is_copied_without_a_grant(world: World) -> None:
    desired = copy(cluster="open", grant=None)
    take(world, "elsewhere", "open")
    world.apply(KIND, NAME, desired)
    assert list(world.us.snapshots) == ["copy-elsewhere"]
    assert shape(world.plan(KIND, NAME, desired)) == []


def test_a_cluster_that_gets_a_key_later_is_no_longer_copied_without_a_grant(world: World) -> None:
    desired = copy(cluster="open", grant=None)
    world.apply(KIND, NAME, desired)
    world.eu.clusters["open"] = replace(world.eu.clusters["open"], root=kms("arn:aws:kms:eu-west-1:1:key/x"))
    assert shape(world.plan(KIND, NAME, desired)) == ["blocked: silent-downgrade"]


def test_the_guard_is_asked_again_right_before_the_calls(world: World) -> None:
    desired = copy(cluster="open", grant=None)
    take(world, "elsewhere", "open")
    operations = world.plan(KIND, NAME, desired).operations
    plain = world.eu.clusters["open"]
    world.eu.clusters["open"] = replace(plain, root=kms("arn:aws:kms:eu-west-1:1:key/x"))
    with pytest.raises(BlockedByGuard):
        world.carry_out(ADDRESS, desired, operations)
    assert "enable_snapshot_copy" not in world.eu.calls
    world.eu.clusters["open"] = plain
    world.carry_out(ADDRESS, desired, operations[:1])
    world.eu.clusters["open"] = replace(world.eu.clusters["open"], root=kms("arn:aws:kms:eu-west-1:1:key/x"))
    with pytest.raises(BlockedByGuard):
        world.carry_out(ADDRESS, desired, operations[1:])
    assert world.us.snapshots == {}


def test_copying_of_a_cluster_that_is_gone_says_so(world: World) -> None:
    operations = world.plan(KIND, NAME, copy()).operations
    world.eu.clusters.clear()
    with pytest.raises(ResourceNotFoundException, match="Cluster/sales is gone"):
        world.carry_out(ADDRESS, copy(), operations)


def test_an_interrupted_start_copies_what_is_left(world: World) -> None:
    operations = world.plan(KIND, NAME, copy()).operations
    world.carry_out(ADDRESS, copy(), operations[:1])
    assert shape(world.plan(KIND, NAME, copy())) == ["copy-snapshot: copy-first"]


def test_removing_it_switches_copying_off_and_copies_stay(world: World) -> None:
    world.apply(KIND, NAME, copy())
    verdict = world.apply(KIND, NAME, None)
    assert (verdict.action, shape(verdict)) == (Action.DELETE, ["disable-copy: disable-copy"])
    assert world.eu.clusters["sales"].copy is None
    assert list(world.us.snapshots) == ["copy-first"]
    assert ADDRESS not in world.rows


def test_removing_what_is_off_forgets_it(world: World) -> None:
    world.apply(KIND, NAME, copy())
    observed(copy=None)(world)
    assert world.plan(KIND, NAME, None).action is Action.FORGET


def test_what_is_remembered_of_copies_goes_with_their_snapshots(world: World) -> None:
    world.apply(KIND, NAME, copy())
    assert len(world.attributes(ADDRESS)["copied"]) == 1
    world.eu.snapshots.clear()
    take(world, "third")
    world.apply(KIND, NAME, copy())
    (uid,) = world.attributes(ADDRESS)["copied"]
    assert uid == world.eu.snapshots["third"].uid


DRIFT = {
    "nothing moved": (lambda world: None, []),
    "a snapshot is yet to be copied: no drift": (second_taken, []),
    "copying is off": (observed(copy=None), ["copy-off"]),
    "its cluster is gone": (lambda world: world.eu.clusters.clear(), ["copy-off"]),
    "its grant is gone": (status(grant_name=None), ["copy-grant-missing"]),
    "it is kept for another time": (status(retention_days=1), ["attribute-changed"]),
}


@pytest.mark.parametrize(("behind", "classes"), DRIFT.values(), ids=DRIFT.keys())
def test_drift(world: World, behind: Callable[[World], None], classes: list[str]) -> None:
    world.apply(KIND, NAME, copy())
    behind(world)
    assert [finding.drift_class for finding in world.drift(KIND, NAME)] == classes


def test_copying_that_another_hand_switched_on_is_switched_over(world: World) -> None:
    status(region="ap-south-1", grant_name=None)(world)
    world.apply(KIND, NAME, copy())
    switched = [call for call in world.eu.calls if call.endswith("snapshot_copy")]
    assert switched == ["disable_snapshot_copy", "enable_snapshot_copy"]
    assert shape(world.plan(KIND, NAME, copy())) == []


def test_the_first_snapshot_after_an_encryption_is_copied_by_the_same_plan(world: World) -> None:
    world.apply(CLUSTER, "plain", ClusterSpec.model_validate({"provider": "eu", "encryption": {"enabled": False}}))
    desired = copy(cluster="plain")
    world.apply(KIND, NAME, desired)
    for root, expect in (
        ({"enabled": False}, []),
        ({"owned": True}, ["copy-snapshot: copy-snapshots"]),
        ({"key": "one"}, ["copy-snapshot: copy-snapshots"]),
    ):
        world.declared[Address("Cluster/plain")] = ClusterSpec.model_validate({"provider": "eu", "encryption": root})
        assert shape(world.plan(KIND, NAME, desired)) == expect
