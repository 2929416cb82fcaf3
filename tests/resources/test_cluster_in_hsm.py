"""A cluster whose root is a partition of an HSM (HS2–HS9), as its kind plans it and carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import HsmFault, HsmUnavailable, IncompatibleHsm, MissingCapability
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.model.recorded import Intent
from reconciler.providers import data
from reconciler.resources.cluster.kind import KIND
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from reconciler.resources.snapshot_copy.kind import KIND as COPY
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec
from tests.resources.in_memory import PLAINTEXT, MemoryWarehouse, World, hsm, kms, shape

ADDRESS = Address("Cluster/sales")
INTO_HSM = ["switch-key: modify-encryption verify-root"]


class Unfit(MemoryWarehouse):
    """Its HSM does not let a cluster be made. ``leaves``: what is left of it is described (HS5)."""

    leaves = True

    def create_cluster(self, caller: Caller, request: data.ClusterRequest, *, token: str) -> data.ClusterDescription:
        found = super().create_cluster(caller, request, token=token)
        del self.clusters[request.name], self.tokens[token]
        if self.leaves:
            self.clusters[request.name] = replace(found, status=data.INCOMPATIBLE_HSM, root=PLAINTEXT)
        raise HsmUnavailable("nobody answers at hsm:8711", fault=HsmFault.UNREACHABLE)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.key("one")
    for name, verify in (("a", "full"), ("b", "full"), ("copied", "connection-only")):
        made.partition(name)
        spec = {"provider": "hsm", "tokenLabel": name, "pinFrom": {"fd": 3}, "verify": verify}
        made.declared[Address(f"HsmPartition/{name}")] = HsmPartitionSpec.model_validate(spec)
    return made


def cluster(encryption: dict[str, Any] | None, **spec: Any) -> ClusterSpec:
    given = {"provider": "eu", "nodeType": "ra3.large", **spec}
    return ClusterSpec.model_validate(given if encryption is None else {**given, "encryption": encryption})


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` is applied, ``after`` is planned and applied."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    expect: list[str]
    warns: str = ""


IN_A = {"hsm": "a"}
CASES = {
    "nothing differs: nothing to do": Case(before=IN_A, after=IN_A, expect=[]),
    "from a key into a partition": Case(before={"key": "one"}, after=IN_A, expect=INTO_HSM),
    "from the owned key into a partition": Case(before={"owned": True}, after=IN_A, expect=INTO_HSM),
    "out of a partition under a key: without escrow (RE14)": Case(
        before=IN_A, after={"key": "one"}, expect=INTO_HSM, warns="unrecoverable"
    ),
    "from partition to partition": Case(before=IN_A, after={"hsm": "b"}, expect=INTO_HSM),
    "to a partition with replicated keys: warned of (HS6)": Case(
        before=IN_A, after={"hsm": "copied"}, expect=INTO_HSM, warns="tries the connection alone"
    ),
    "from a key to such a partition: a key is made there, and proved": Case(
        before={"key": "one"}, after={"hsm": "copied"}, expect=INTO_HSM
    ),
    "from plaintext": Case(
        before={"enabled": False}, after=IN_A, expect=["encrypt: modify-encryption verify-root"], warns="rehearse"
    ),
    "to plaintext": Case(before=IN_A, after={"enabled": False}, expect=["decrypt: modify-encryption verify-root"]),
    "to a partition that is yet to be made": Case(before=IN_A, after={"hsm": "new"}, expect=INTO_HSM),
    "the block is left out: no silent downgrade (I18)": Case(
        before=IN_A, after=None, expect=["blocked: silent-downgrade"]
    ),
    "a rotation by trigger": Case(before=IN_A, after={**IN_A, "rotation": {"trigger": "x"}}, expect=["rotate: rotate"]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_cluster_that_exists(world: World, case: Case) -> None:
    world.apply(KIND, "sales", cluster(case.before))
    verdict = world.plan(KIND, "sales", cluster(case.after))

    assert shape(verdict) == case.expect
    assert bool(case.warns) == bool(verdict.warnings)
    assert case.warns in " ".join(verdict.warnings)
    if verdict.operations:
        world.partition("new")
        world.apply(KIND, "sales", cluster(case.after))
        assert shape(world.plan(KIND, "sales", cluster(case.after))) == []


def test_a_new_cluster_is_read_back_before_anything_is_loaded(world: World) -> None:
    verdict = world.apply(KIND, "sales", cluster(IN_A))

    assert (verdict.action, shape(verdict)) == (Action.CREATE, ["create: create-cluster verify-root"])
    assert world.eu.clusters["sales"].root == hsm(world.partition("a"))
    recorded = world.rows[ADDRESS].attributes
    assert (recorded["root"], recorded["partition"]) == ("hsm", world.partition("a"))
    world.apply(KIND, "sales", cluster({"key": "one"}))
    assert "partition" not in world.rows[ADDRESS].attributes, "it is under a key now"


def unfit(world: World, *, leaves: bool) -> Unfit:
    made = Unfit("eu-west-1", world.clock)
    made.leaves = leaves
    world.eu = world.providers["eu"] = made
    return made


def test_what_an_hsm_did_not_let_be_made_is_recorded_and_told_with_a_way_out(world: World) -> None:
    """HS5, HS9: and the next plan deletes it and creates the cluster."""
    unfit(world, leaves=True)
    verdict = world.plan(KIND, "sales", cluster(IN_A))
    with pytest.raises(IncompatibleHsm) as failed:
        world.carry_out(ADDRESS, cluster(IN_A), verdict.operations)

    assert "Cluster/sales is incompatible-hsm, and nothing of it was made: nobody answers" in failed.value.summary
    assert failed.value.fault is HsmFault.UNREACHABLE
    assert "spec.address of HsmPartition/a" in str(failed.value.suggestion)
    after = world.plan(KIND, "sales", cluster(IN_A))
    assert (after.action, shape(after)) == (
        Action.REPLACE,
        ["delete: delete-incomplete", "create: create-cluster verify-root"],
    )
    world.providers["eu"] = world.eu = _mended(world.eu)
    world.apply(KIND, "sales", cluster(IN_A))
    assert world.eu.clusters["sales"].status == "available"
    assert shape(world.plan(KIND, "sales", cluster(IN_A))) == []
    assert "incompatible-hsm" not in world.rows[ADDRESS].attributes


def test_a_failure_that_leaves_nothing_is_told_with_its_way_out(world: World) -> None:
    unfit(world, leaves=False)
    verdict = world.plan(KIND, "sales", cluster(IN_A))
    with pytest.raises(HsmUnavailable) as failed:
        world.carry_out(ADDRESS, cluster(IN_A), verdict.operations)

    assert "spec.address of HsmPartition/a" in str(failed.value.suggestion)
    assert shape(world.plan(KIND, "sales", cluster(IN_A))) == ["create: create-cluster verify-root"]


def test_what_was_never_made_and_is_gone_is_made_not_missed(world: World) -> None:
    unfit(world, leaves=True)
    with pytest.raises(IncompatibleHsm):
        world.carry_out(ADDRESS, cluster(IN_A), world.plan(KIND, "sales", cluster(IN_A)).operations)
    world.eu.clusters.clear()
    world.providers["eu"] = world.eu = _mended(world.eu)

    assert shape(world.plan(KIND, "sales", cluster(IN_A))) == ["create: create-cluster verify-root"]
    world.apply(KIND, "sales", cluster(IN_A))
    assert shape(world.plan(KIND, "sales", cluster(IN_A))) == []


def test_what_was_made_after_all_is_not_deleted(world: World) -> None:
    unfit(world, leaves=True)
    with pytest.raises(IncompatibleHsm):
        world.carry_out(ADDRESS, cluster(IN_A), world.plan(KIND, "sales", cluster(IN_A)).operations)
    deletion = world.plan(KIND, "sales", cluster(IN_A)).operations[:1]
    world.eu.clusters["sales"] = replace(world.eu.clusters["sales"], status="available", root=hsm("x"))
    world.carry_out(ADDRESS, cluster(IN_A), deletion)

    assert "sales" in world.eu.clusters


def _mended(old: MemoryWarehouse) -> MemoryWarehouse:
    made = MemoryWarehouse(old.region, old.clock)
    made.clusters = old.clusters
    made.tokens = old.tokens
    return made


def test_a_warehouse_says_which_nodes_may_be_rooted_so(world: World) -> None:
    """HS8."""
    for before, verb in ((None, "create"), ({"key": "one"}, "switch-key")):
        if before is not None:
            world.apply(KIND, "sales", cluster(before, nodeType="dc2.large"))
        (operation,) = world.plan(KIND, "sales", cluster(IN_A, nodeType="dc2.large")).operations
        assert operation.verb == verb
        with pytest.raises(MissingCapability, match=r"nodeType dc2\.large in an HSM"):
            operation.steps[0].check(world)


def test_keys_that_nobody_tried_are_warned_of_until_verify_did(world: World) -> None:
    world.apply(KIND, "sales", cluster(IN_A))
    world.eu.clusters["sales"] = replace(world.eu.clusters["sales"], keys_verified=False)
    (warning,) = world.plan(KIND, "sales", cluster(IN_A)).warnings

    assert "`reconciler verify Cluster/sales`" in warning
    assert world.drift(KIND, "sales") == []


RECOVERED: dict[str, tuple[Callable[[World], data.Root], bool]] = {
    "it is in that partition": (lambda world: hsm(world.partition("b")), True),
    "it is in another": (lambda world: hsm(world.partition("a")), False),
    "it is under a key": (lambda world: kms(world.key("one")), False),
}


@pytest.mark.parametrize("what", RECOVERED)
def test_a_move_whose_outcome_was_lost_is_recorded_where_it_was_made(what: str, world: World) -> None:
    root, is_done = RECOVERED[what]
    world.apply(KIND, "sales", cluster(IN_A))
    world.eu.clusters["sales"] = replace(world.eu.clusters["sales"], root=root(world))
    wanted = {"kind": "hsm", "key": None, "partition": {"address": "HsmPartition/b", "arn": None}}
    intent = Intent(
        number=1,
        address=ADDRESS,
        uid="u",
        provider="eu",
        step="modify-encryption",
        verb="switch-key",
        token="t",
        facts={"root": wanted, "trigger": None},
    )
    observed = world.observe(KIND, ADDRESS)
    assert observed is not None
    outcome = KIND.outcome(intent, observed, world)  # type: ignore[arg-type]  # it is one of this kind

    assert (outcome is not None) is is_done
    if outcome is not None:
        assert outcome.attributes["partition"] == world.partition("b")


def test_copies_of_a_cluster_in_an_hsm_do_not_fall_to_the_owned_key(world: World) -> None:
    """CONTRACT 5: by omission."""
    world.apply(KIND, "sales", cluster(IN_A))
    copy = SnapshotCopySpec.model_validate({"provider": "eu", "cluster": "sales", "to": "us"})
    verdict = world.plan(COPY, "abroad", copy)

    assert shape(verdict)[-1] == "blocked: silent-downgrade"
    assert "is rooted in an HSM" in verdict.blocked[0].reason
