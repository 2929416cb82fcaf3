"""Snapshot: taken once, never silently again (SC1, RE15, CONTRACT 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConflictException
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.providers import data
from reconciler.resources.cluster.kind import KIND as CLUSTER
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import Target
from reconciler.resources.snapshot.kind import KIND
from reconciler.resources.snapshot.spec import SnapshotSpec
from reconciler.resources.snapshot.steps import DeleteSnapshot
from tests.resources.in_memory import OWNED, PLAINTEXT, World, shape

NAME = "before-upgrade"
ADDRESS = Address("Snapshot/before-upgrade")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.apply(CLUSTER, "sales", ClusterSpec(provider="eu"))
    made.apply(CLUSTER, "other", ClusterSpec(provider="eu"))
    return made


def snapshot(**spec: Any) -> SnapshotSpec:
    return SnapshotSpec.model_validate({"provider": "eu", "cluster": "sales", "retention": "35d", **spec})


def observed(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.eu.snapshots[NAME] = replace(world.eu.snapshots[NAME], **changes)

    return change


def gone(world: World) -> None:
    world.eu.snapshots.clear()


def encrypted(world: World) -> None:
    """The cluster is encrypted by now; the snapshot is from before (RE15)."""
    observed(root=PLAINTEXT)(world)


def after_expiry(world: World) -> None:
    world.clock.advance(days=35)
    gone(world)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A snapshot is applied, ``behind`` changes the world behind our back, ``after`` is planned."""

    after: SnapshotSpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None
    warns: bool = False


CASES = {
    "nothing differs: nothing to do": Case(after=snapshot(), expect=[]),
    "it has expired: it is not taken again": Case(behind=after_expiry, after=snapshot(), expect=[], warns=True),
    "somebody deleted it: it is not taken again": Case(behind=gone, after=snapshot(), expect=[], warns=True),
    "another cluster: another snapshot": Case(
        after=snapshot(cluster="other"), expect=["blocked: snapshot-replacement"]
    ),
    "a cluster that is yet to be made": Case(after=snapshot(cluster="new"), expect=["blocked: snapshot-replacement"]),
    "another retention": Case(after=snapshot(retention="7d"), expect=["blocked: snapshot-replacement"]),
    "another name": Case(after=snapshot(externalName="other"), expect=["blocked: snapshot-replacement"]),
    "the same cluster by its ARN: nothing to do": Case(
        after=snapshot(cluster={"arn": "arn:aws:redshift:eu-west-1:111122223333:cluster:sales"}), expect=[]
    ),
    "its cluster has another name by now: nothing to do": Case(
        behind=observed(cluster="sales-old"), after=snapshot(), expect=[]
    ),
    "another snapshot of its name stands there: left alone": Case(
        behind=observed(uid="foreign"), after=snapshot(), expect=["blocked: other-object"]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_snapshot_that_was_taken(world: World, case: Case) -> None:
    world.apply(KIND, NAME, snapshot())
    case.behind(world)
    verdict = world.plan(KIND, NAME, case.after)
    assert shape(verdict) == case.expect
    assert bool(verdict.warnings) is case.warns
    assert all(block.way_out for block in verdict.blocked)


def test_a_new_snapshot_is_taken_once(world: World) -> None:
    verdict = world.apply(KIND, NAME, snapshot())
    assert (verdict.action, shape(verdict)) == (Action.CREATE, ["snapshot: take-snapshot"])
    assert "kept for 35 days" in verdict.operations[0].steps[0].summary
    assert list(world.eu.snapshots) == [NAME]
    assert world.eu.snapshots[NAME].expires_at is not None
    assert shape(world.plan(KIND, NAME, snapshot())) == []


def test_a_snapshot_without_retention_is_kept_until_its_manifest_goes(world: World) -> None:
    desired = snapshot(retention=None)
    verdict = world.apply(KIND, NAME, desired)
    assert "until its manifest goes" in verdict.operations[0].steps[0].summary
    assert world.eu.snapshots[NAME].expires_at is None
    assert shape(world.plan(KIND, NAME, desired)) == []


def test_removing_it_deletes_it_for_good_and_lets_its_key_go(world: World) -> None:
    world.apply(KIND, NAME, snapshot())
    verdict = world.apply(KIND, NAME, None)
    assert (verdict.action, shape(verdict)) == (Action.DELETE, ["delete: delete-snapshot"])
    assert verdict.operations[0].is_final
    assert verdict.operations[0].lets_go == ("arn:aws:redshift:eu-west-1:111122223333:snapshot:sales/before-upgrade",)
    assert world.eu.snapshots == {}
    assert ADDRESS not in world.rows


def test_removing_what_is_gone_or_not_ours_forgets_it(world: World) -> None:
    world.apply(KIND, NAME, snapshot())
    observed(uid="foreign")(world)
    assert world.plan(KIND, NAME, None).action is Action.FORGET
    gone(world)
    assert world.plan(KIND, NAME, None).action is Action.FORGET
    world.rows.clear()
    assert world.plan(KIND, NAME, None).action is Action.NOOP


def test_a_snapshot_that_took_the_name_in_the_meantime_is_not_deleted(world: World) -> None:
    world.apply(KIND, NAME, snapshot())
    step = DeleteSnapshot(id="d", summary="", address=ADDRESS, provider="eu", snapshot=NAME, uid="older")
    with pytest.raises(ConflictException, match="left alone"):
        step.run(world)
    assert NAME in world.eu.snapshots


def test_others_that_refer_to_its_cluster_wait_for_it() -> None:
    assert KIND.completes == 0
    assert KIND.protected


def test_one_call_observes_all_and_a_second_one_only_plaintext_ones(world: World) -> None:
    world.apply(KIND, NAME, snapshot())
    world.apply(KIND, "second", snapshot())
    targets = [
        Target(address=address, provider="eu", attributes=row.attributes)
        for address, row in world.rows.items()
        if address.kind == "Snapshot"
    ]
    world.eu.calls.clear()
    assert len(KIND.observe(targets, world)) == 2
    assert world.eu.calls == ["describe_snapshots"]
    encrypted(world)
    world.eu.calls.clear()
    KIND.observe(targets, world)
    assert world.eu.calls == ["describe_snapshots", "describe_clusters(all)"]


def decrypted_too(world: World) -> None:
    encrypted(world)
    world.eu.clusters["sales"] = replace(world.eu.clusters["sales"], root=PLAINTEXT)


DRIFT = {
    "nothing moved": (lambda world: None, []),
    "it followed its cluster to another key: no drift": (
        observed(root=data.Root(kind=data.RootKind.KMS, key_arn="arn:aws:kms:eu-west-1:1:key/x")),
        [],
    ),
    "it was deleted": (gone, ["resource-missing"]),
    "it expired: no drift": (after_expiry, []),
    "it is from before its cluster was encrypted (RE15)": (encrypted, ["plaintext-snapshot"]),
    "it lost its encryption": (decrypted_too, ["encryption-lost"]),
    "it is being deleted": (observed(status="deleting"), ["attribute-changed"]),
}


@pytest.mark.parametrize(("behind", "classes"), DRIFT.values(), ids=DRIFT.keys())
def test_drift(world: World, behind: Callable[[World], None], classes: list[str]) -> None:
    world.apply(KIND, NAME, snapshot())
    assert world.eu.snapshots[NAME].root == OWNED
    behind(world)
    assert [finding.drift_class for finding in world.drift(KIND, NAME)] == classes


def test_a_plaintext_snapshot_says_its_size_how_long_it_stays_and_what_for(world: World) -> None:
    world.apply(KIND, NAME, snapshot())
    encrypted(world)
    (finding,) = world.drift(KIND, NAME)
    assert finding.observed == "plaintext: 0 bytes, kept until 2026-02-09, declared here: the way back from before it"


def test_only_the_plaintext_snapshot_of_an_encrypted_cluster_is_drift(world: World) -> None:
    world.apply(KIND, NAME, snapshot())
    world.apply(KIND, "second", snapshot())
    encrypted(world)
    targets = [
        Target(address=address, provider="eu", attributes=world.attributes(address))
        for address in (ADDRESS, Address("Snapshot/second"))
    ]
    seen = KIND.observe(targets, world)
    assert [found is not None and found.predates_encryption for found in seen.values()] == [True, False]
