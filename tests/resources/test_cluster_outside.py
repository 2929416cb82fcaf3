"""Cluster: removed, recovered, observed, and changed behind our back (RE8, RO3, I10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.applying.rows import settled
from reconciler.errors import ConflictException
from reconciler.model.change import Action
from reconciler.model.recorded import Intent
from reconciler.resources.cluster.kind import KIND
from reconciler.resources.cluster.observe import ClusterObservation, ManifestObservation
from reconciler.resources.cluster.steps import DeleteCluster
from reconciler.resources.kind import Target
from reconciler.resources.resource import Resource
from tests.resources.clusters import ADDRESS, KEY_ONE, NAME, after_days, cluster, observed, table, under, with_two_keys
from tests.resources.in_memory import OWNED, PLAINTEXT, World, kms, shape


@pytest.fixture
def world(tmp_path: Path) -> World:
    return with_two_keys(tmp_path)


def test_removing_a_cluster_deletes_it_and_says_what_cannot_be_rotated_any_more(world: World) -> None:
    world.apply(KIND, NAME, under({**KEY_ONE, "rotation": {"every": "90d"}}))
    arn = world.eu.clusters[NAME].arn
    verdict = world.apply(KIND, NAME, None)
    assert verdict.action is Action.DELETE
    (operation,) = verdict.operations
    assert shape(verdict) == ["delete: delete-cluster"]
    assert operation.is_final
    assert operation.lets_go == (arn,)
    assert "RO3" in operation.reason
    assert "rotation policy covers them" in operation.reason
    assert world.eu.clusters == {}
    assert ADDRESS not in world.rows


def test_removing_what_is_gone_already_or_is_not_ours_forgets_it(world: World) -> None:
    world.apply(KIND, NAME, cluster())
    observed(uid="foreign")(world)
    assert world.plan(KIND, NAME, None).action is Action.FORGET
    world.eu.clusters.clear()
    assert world.plan(KIND, NAME, None).action is Action.FORGET
    world.rows.clear()
    assert world.plan(KIND, NAME, None).action is Action.NOOP


def test_a_cluster_that_took_the_name_in_the_meantime_is_not_deleted(world: World) -> None:
    world.apply(KIND, NAME, cluster())
    step = DeleteCluster(id="d", summary="", address=ADDRESS, provider="eu", cluster=NAME, uid="older")
    with pytest.raises(ConflictException, match="left alone"):
        step.run(world)
    assert NAME in world.eu.clusters


def test_an_interrupted_create_is_recovered_by_its_token(world: World) -> None:
    desired = under({**KEY_ONE, "rotation": {"trigger": "first"}})
    world.apply(KIND, NAME, desired)
    row = world.rows[ADDRESS]
    facts = {"trigger": "first"}
    intent = Intent(
        number=1,
        address=ADDRESS,
        uid="u",
        provider="eu",
        step="create-cluster",
        verb="create",
        token="token-1",
        facts=facts,
    )
    found = KIND.recover(intent, world) or {}
    assert {name: value for name, value in found.items() if value is not None} == dict(row.attributes)
    assert KIND.recover(replace(intent, token="never-used"), world) is None
    assert KIND.recover(replace(intent, step="rotate"), world) is None


def test_few_clusters_are_asked_for_by_name_and_many_at_once(world: World) -> None:
    def observe(count: int) -> str:
        targets = []
        for number in range(count):
            address = world.record(f"Cluster/c{number}", id=f"arn:aws:redshift:eu-west-1:1:cluster:c{number}")
            targets.append(Target(address=address, provider="eu", attributes=world.attributes(address)))
        world.eu.calls.clear()
        assert set(KIND.observe(targets, world)) == {target.address for target in targets}
        (call,) = world.eu.calls
        return call

    assert observe(20) == "describe_clusters"
    assert observe(21) == "describe_clusters(all)"


DRIFT = {
    "nothing moved": (lambda world: None, []),
    "it was decrypted": (observed(root=PLAINTEXT), ["encryption-lost"]),
    "its key was replaced by the owned one": (observed(root=OWNED), ["key-replaced-by-owned"]),
    "it was put under another key": (observed(root=kms("arn:aws:kms:eu-west-1:1:key/x")), ["attribute-changed"]),
    "it was resized": (observed(nodes=16), ["attribute-changed"]),
    "its root key is lost (RE8)": (observed(status="inaccessible-kms-key"), ["warehouse-inaccessible"]),
    "it is gone": (lambda world: world.eu.clusters.clear(), ["resource-missing"]),
    "another stands in its place": (observed(uid="foreign", root=OWNED), ["resource-missing"]),
    "a table is gone": (observed(tables=()), ["resource-missing"]),
    "its keys were rotated: no drift": (observed(cek_id="c2", dek_id="d2"), []),
    "its rotation is overdue": (after_days(91), ["rotation-overdue"]),
    "its keys are those from before a rotation (I16)": (
        lambda world: observed(rotated_at=world.clock.now() - timedelta(hours=1))(world),
        ["stale-key-version"],
    ),
}


@pytest.mark.parametrize(("behind", "classes"), DRIFT.values(), ids=DRIFT.keys())
def test_drift(world: World, behind: Callable[[World], None], classes: list[str]) -> None:
    desired = under({**KEY_ONE, "rotation": {"every": "90d"}}, tables=[table(world, "flights", "a", "f.csv")])
    world.apply(KIND, NAME, desired)
    behind(world)
    found = world.drift(KIND, NAME)
    assert [finding.drift_class for finding in found] == classes
    assert all(finding.fix for finding in found)


def test_a_cluster_whose_key_is_lost_is_said_in_the_plan(world: World) -> None:
    world.apply(KIND, NAME, under(KEY_ONE))
    observed(status="inaccessible-kms-key")(world)
    (warning,) = world.plan(KIND, NAME, under(KEY_ONE)).warnings
    assert "14 days" in warning
    observed(status="paused")(world)
    assert world.plan(KIND, NAME, under(KEY_ONE)).warnings == ("Cluster/sales is paused, not available.",)


def test_the_mark_of_an_older_copy_is_not_recorded_over_the_newest(world: World) -> None:
    """I16: whatever is read back, as of a folder that was put back in the middle of an apply."""
    world.apply(KIND, NAME, under(KEY_ONE))
    seen = world.observe(KIND, ADDRESS)
    assert isinstance(seen, ClusterObservation)
    newest = seen.model_copy(update={"manifest": ManifestObservation(version=9, tag="aa")})
    older = seen.model_copy(update={"manifest": ManifestObservation(version=8, tag="bb"), "is_older_copy": True})
    row = replace(world.rows[ADDRESS], observed=newest.model_dump_json())
    spec = under(KEY_ONE)
    resource = Resource(
        address=ADDRESS,
        digest="d",
        provider="eu",
        references=(),
        external_name=NAME,
        file="a.yaml",
        line=1,
        build_spec=lambda: spec,
    )
    kept = settled(row, resource, older, lambda _: None).observed
    assert ClusterObservation.model_validate_json(kept or "").manifest == newest.manifest
    on_another = settled(replace(row, observed=older.model_dump_json()), resource, newest, lambda _: None).observed
    assert on_another == newest.model_dump_json()
