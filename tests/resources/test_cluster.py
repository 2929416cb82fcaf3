"""Cluster: given what is declared, recorded and observed, which operations (RE2, RE9, RE10, RE13, RO1–RO3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ConflictException, InvalidClusterStateFault, MissingCapability, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.change import KNOWN_AFTER_APPLY, Action, Availability
from reconciler.model.recorded import Intent
from reconciler.providers import data
from reconciler.resources.cluster.kind import KIND
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.steps import DeleteCluster, VerifyRoot
from reconciler.resources.kind import Target
from tests.resources.in_memory import OWNED, PLAINTEXT, World, digest_of, kms, shape

NAME = "sales"
ADDRESS = Address("Cluster/sales")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.key("one")
    made.key("two")
    return made


def cluster(**spec: Any) -> ClusterSpec:
    return ClusterSpec.model_validate({"provider": "eu", "nodeType": "ra3.large", "nodes": 2, **spec})


def under(root: Mapping[str, Any], **spec: Any) -> ClusterSpec:
    return cluster(encryption=root, **spec)


def table(world: World, name: str, content: str, *files: str, **more: Any) -> dict[str, Any]:
    """A table of a manifest, its files written with that content."""
    for file in files:
        (world.project / file).write_text(content)
    loads = [{"path": file, "sha256": digest_of(world.project / file)} for file in files]
    return {"name": name, "load": loads, **more}


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` is applied, ``behind`` changes the warehouse behind our back, ``after`` is planned."""

    before: ClusterSpec
    after: ClusterSpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None
    labels: Mapping[str, str] = field(default_factory=dict)
    diff: tuple[str, ...] | None = None


def observed(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.eu.clusters[NAME] = replace(world.eu.clusters[NAME], **changes)

    return change


def after_days(days: float) -> Callable[[World], None]:
    return lambda world: world.clock.advance(days=days)


NO_BACKUP = data.LoadedTable(name="scratch", rows=1, bytes=9, backup=False, loads=())
KEY_ONE = {"key": "one"}
CASES = {
    "nothing differs: nothing to do": Case(before=under(KEY_ONE), after=under(KEY_ONE), expect=[]),
    "the owned key by default, written out later: nothing to do": Case(
        before=cluster(), after=under({"owned": True}), expect=[]
    ),
    "the same key by its ARN: nothing to do": Case(
        before=under(KEY_ONE),
        after=under({"key": {"arn": "arn:aws:kms:eu-west-1:111122223333:key/one"}}),
        expect=[],
    ),
    "not encrypted, and a key is named: encrypt (RE2)": Case(
        before=under({"enabled": False}),
        after=under(KEY_ONE),
        expect=["encrypt: modify-encryption verify-root"],
        diff=("spec.encryption",),
    ),
    "not encrypted, and owned is named: encrypt": Case(
        before=under({"enabled": False}),
        after=under({"owned": True}),
        expect=["encrypt: modify-encryption verify-root"],
    ),
    "encryption is switched off by name: decrypt": Case(
        before=under(KEY_ONE), after=under({"enabled": False}), expect=["decrypt: modify-encryption verify-root"]
    ),
    "regulated data stay encrypted (RE13)": Case(
        before=under(KEY_ONE),
        after=under({"enabled": False}),
        labels={"data-class": "pci"},
        expect=["blocked: data-class"],
    ),
    "a named waiver lets regulated data be decrypted (RE13)": Case(
        before=under(KEY_ONE),
        after=under({"enabled": False}).model_copy(update={"waiver": "SEC-42, approved by the data officer"}),
        labels={"data-class": "pci"},
        expect=["decrypt: modify-encryption verify-root"],
    ),
    "another label does not hold anything back": Case(
        before=under(KEY_ONE),
        after=under({"enabled": False}),
        labels={"data-class": "public"},
        expect=["decrypt: modify-encryption verify-root"],
    ),
    "another key: switch (RE2)": Case(
        before=under(KEY_ONE),
        after=under({"key": "two"}),
        expect=["switch-key: modify-encryption verify-root"],
        diff=("spec.encryption",),
    ),
    "from the owned key to one's own: switch": Case(
        before=cluster(), after=under(KEY_ONE), expect=["switch-key: modify-encryption verify-root"]
    ),
    "to the owned key, written out: switch": Case(
        before=under(KEY_ONE), after=under({"owned": True}), expect=["switch-key: modify-encryption verify-root"]
    ),
    "to a key that is yet to be made: switch": Case(
        before=under(KEY_ONE), after=under({"key": "new"}), expect=["switch-key: modify-encryption verify-root"]
    ),
    "the root is left out, and it has a key: no silent downgrade (I18)": Case(
        before=under(KEY_ONE), after=cluster(), expect=["blocked: silent-downgrade"]
    ),
    "the root is left out, and it is not encrypted: nothing is assumed": Case(
        before=under({"enabled": False}), after=cluster(), expect=["blocked: silent-downgrade"]
    ),
    "somebody switched it to the owned key: back to the declared one": Case(
        before=under(KEY_ONE),
        behind=observed(root=OWNED),
        after=under(KEY_ONE),
        expect=["switch-key: modify-encryption verify-root"],
    ),
    "somebody decrypted it: encrypt again": Case(
        before=under(KEY_ONE),
        behind=observed(root=PLAINTEXT),
        after=under(KEY_ONE),
        expect=["encrypt: modify-encryption verify-root"],
    ),
    "a resize goes before encrypting, never during (RE9)": Case(
        before=under({"enabled": False}),
        after=under(KEY_ONE, nodes=8),
        expect=["update: resize", "encrypt: modify-encryption verify-root"],
        diff=("spec.nodes", "spec.encryption"),
    ),
    "tables marked BACKUP NO are not carried through an encryption (RE10)": Case(
        before=under({"enabled": False}),
        behind=observed(tables=(NO_BACKUP,)),
        after=under(KEY_ONE),
        expect=["blocked: backup-no-loss"],
    ),
    "their loss is acknowledged (RE10)": Case(
        before=under({"enabled": False}),
        behind=observed(tables=(NO_BACKUP,)),
        after=under(KEY_ONE, acknowledge=["backup-no-loss"]),
        expect=["encrypt: modify-encryption verify-root"],
    ),
    "an encryption that was interrupted is not encrypted yet: it goes on": Case(
        before=under({"enabled": False}),
        behind=observed(status="resizing"),
        after=under(KEY_ONE),
        expect=["encrypt: modify-encryption verify-root"],
    ),
    "a decryption that was interrupted goes on, though the root is there": Case(
        before=under({"enabled": False}),
        behind=observed(status="resizing"),
        after=under({"enabled": False}),
        expect=["decrypt: modify-encryption verify-root"],
    ),
    "a switch that was interrupted after its commit goes on": Case(
        before=under(KEY_ONE),
        behind=observed(status="modifying"),
        after=under(KEY_ONE),
        expect=["switch-key: modify-encryption verify-root"],
    ),
    "the trigger changed: rotate once (RO1)": Case(
        before=under({**KEY_ONE, "rotation": {"trigger": "first"}}),
        after=under({**KEY_ONE, "rotation": {"trigger": "second"}}),
        expect=["rotate: rotate"],
        diff=("spec.encryption.rotation.trigger",),
    ),
    "a trigger is added: that is a change of it": Case(
        before=under(KEY_ONE), after=under({**KEY_ONE, "rotation": {"trigger": "first"}}), expect=["rotate: rotate"]
    ),
    "removing the trigger never rotates": Case(
        before=under({**KEY_ONE, "rotation": {"trigger": "first"}}), after=under(KEY_ONE), expect=[]
    ),
    "the period is over: rotate": Case(
        before=under({**KEY_ONE, "rotation": {"every": "90d"}}),
        behind=after_days(90),
        after=under({**KEY_ONE, "rotation": {"every": "90d"}}),
        expect=["rotate: rotate"],
    ),
    "the period is not over": Case(
        before=under({**KEY_ONE, "rotation": {"every": "90d"}}),
        behind=after_days(89.9),
        after=under({**KEY_ONE, "rotation": {"every": "90d"}}),
        expect=[],
    ),
    "a rotation that was interrupted goes on": Case(
        before=under(KEY_ONE), behind=observed(status="rotating-keys"), after=under(KEY_ONE), expect=["rotate: rotate"]
    ),
    "encrypting makes every key anew: no rotation on top of it": Case(
        before=under({"enabled": False}),
        after=under({**KEY_ONE, "rotation": {"trigger": "first"}}),
        expect=["encrypt: modify-encryption verify-root"],
    ),
    "another key and another trigger: switch, then rotate": Case(
        before=under(KEY_ONE),
        after=under({"key": "two", "rotation": {"trigger": "first"}}),
        expect=["switch-key: modify-encryption verify-root", "rotate: rotate"],
    ),
    "another database is another cluster": Case(
        before=cluster(), after=cluster(database="other"), expect=["blocked: fixed-attribute"]
    ),
    "another name is not guessed": Case(
        before=cluster(), after=cluster(externalName="other"), expect=["blocked: cluster-rename"]
    ),
    "a refusal holds the other changes back": Case(
        before=cluster(), after=cluster(database="other", nodes=9), expect=["blocked: fixed-attribute"]
    ),
    "its data are gone: it is not made again, empty (I17)": Case(
        before=cluster(),
        behind=lambda world: world.eu.clusters.clear(),
        after=cluster(),
        expect=["blocked: data-missing"],
    ),
    "another cluster of its name stands there: left alone": Case(
        before=cluster(), behind=observed(uid="foreign"), after=cluster(nodes=3), expect=["blocked: other-object"]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_cluster_that_exists(world: World, case: Case) -> None:
    world.apply(KIND, NAME, case.before)
    case.behind(world)
    verdict = world.plan(KIND, NAME, case.after, labels=case.labels)
    assert shape(verdict) == case.expect
    assert verdict.action is (Action.UPDATE if verdict.operations else Action.NOOP)
    assert all(block.way_out for block in verdict.blocked)
    if case.diff is not None:
        assert tuple(entry.path for entry in verdict.diff) == case.diff


APPLIED = {sentence: case for sentence, case in CASES.items() if not case.expect or "blocked" not in case.expect[0]}


@pytest.mark.parametrize("case", APPLIED.values(), ids=APPLIED.keys())
def test_apply_then_plan_again_comes_to_nothing(world: World, case: Case) -> None:
    world.apply(KIND, NAME, case.before)
    case.behind(world)
    world.key("new")
    world.apply(KIND, NAME, case.after)
    assert world.plan(KIND, NAME, case.after).operations == ()
    assert world.eu.clusters[NAME].status == "available"


def test_a_new_cluster_is_under_the_owned_key_unless_it_says_otherwise(world: World) -> None:
    verdict = world.apply(KIND, NAME, cluster())
    assert verdict.action is Action.CREATE
    assert shape(verdict) == ["create: create-cluster"]
    assert world.eu.clusters[NAME].root == OWNED
    assert [(entry.path, entry.after) for entry in verdict.diff] == [
        ("arn", KNOWN_AFTER_APPLY),
        ("spec.encryption", "the owned key"),
    ]


def test_a_new_cluster_may_be_left_unencrypted_only_if_its_label_allows_it(world: World) -> None:
    plain = under({"enabled": False})
    assert shape(world.plan(KIND, NAME, plain, labels={"data-class": "hipaa"})) == ["blocked: data-class"]
    world.apply(KIND, NAME, plain)
    assert world.eu.clusters[NAME].root == PLAINTEXT


def test_a_new_cluster_records_its_trigger_without_rotating_and_loads_its_tables(world: World) -> None:
    desired = under(
        {**KEY_ONE, "rotation": {"trigger": "first"}},
        tables=[table(world, "flights", "a", "f.csv"), table(world, "planes", "b", "p.csv")],
    )
    verdict = world.apply(KIND, NAME, desired)
    assert shape(verdict) == ["create: create-cluster", "load: load-flights", "load: load-planes"]
    assert world.rows[ADDRESS].attributes["trigger"] == "first"
    assert world.rows[ADDRESS].attributes["root"] == "kms"
    assert "rotate_encryption_key" not in world.eu.calls
    assert shape(world.plan(KIND, NAME, desired)) == []


def test_loads_that_were_interrupted_go_on_where_they_stopped(world: World) -> None:
    desired = cluster(tables=[table(world, "flights", "a", "f.csv"), table(world, "planes", "b", "p.csv")])
    verdict = world.plan(KIND, NAME, desired)
    world.carry_out(ADDRESS, desired, verdict.operations[:2])
    assert shape(world.plan(KIND, NAME, desired)) == ["load: load-planes"]


def test_a_load_whose_outcome_was_lost_does_not_double_its_rows(world: World) -> None:
    desired = cluster(tables=[table(world, "flights", "a", "f.csv")])
    world.apply(KIND, NAME, desired)
    row = world.rows[ADDRESS]
    forgotten = {name: value for name, value in row.attributes.items() if not name.startswith("loads.")}
    world.rows[ADDRESS] = replace(row, attributes=forgotten)
    assert shape(world.plan(KIND, NAME, desired)) == []
    changed = cluster(tables=[table(world, "flights", "changed", "f.csv")])
    assert shape(world.plan(KIND, NAME, changed)) == ["blocked: changed-load"]


def loaded(world: World, content: str = "a", **more: Any) -> ClusterSpec:
    return cluster(tables=[table(world, "flights", content, "f.csv", **more)])


def test_a_file_that_is_added_is_loaded_beside_the_others(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    both = table(world, "flights", "a", "f.csv")
    both["load"] += table(world, "flights", "b", "g.csv")["load"]
    verdict = world.apply(KIND, NAME, cluster(tables=[both]))
    assert shape(verdict) == ["load: load-flights"]
    assert len(world.eu.clusters[NAME].tables[0].loads) == 2


def test_a_changed_file_is_an_error_unless_a_mode_says_what_it_means(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    assert shape(world.plan(KIND, NAME, loaded(world, "changed"))) == ["blocked: changed-load"]


def test_mode_append_adds_a_changed_file(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    desired = loaded(world, "changed", mode="append")
    verdict = world.apply(KIND, NAME, desired)
    assert [entry.path for entry in verdict.diff] == ["spec.tables.flights.load.f.csv"]
    assert len(world.eu.clusters[NAME].tables[0].loads) == 2
    assert shape(world.plan(KIND, NAME, desired)) == []


def test_mode_replace_puts_a_changed_file_in_the_place_of_all_rows(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    desired = loaded(world, "changed", mode="replace")
    verdict = world.apply(KIND, NAME, desired)
    assert verdict.operations[0].is_final
    assert world.eu.clusters[NAME].tables[0].loads == (desired.tables[0].load[0].sha256,)
    assert shape(world.plan(KIND, NAME, desired)) == []


def test_a_warehouse_that_cannot_replace_rows_says_so(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    verdict = world.plan(KIND, NAME, loaded(world, "changed", mode="replace"))
    world.providers["eu"] = world.tables
    with pytest.raises(MissingCapability, match='"eu" does not replace the rows of a table'):
        verdict.operations[0].steps[0].run(world)


def test_a_table_that_was_dropped_is_loaded_again(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    observed(tables=())(world)
    assert shape(world.plan(KIND, NAME, loaded(world))) == ["load: load-flights"]


def test_the_backup_mark_of_a_table_stays(world: World) -> None:
    world.apply(KIND, NAME, loaded(world))
    assert shape(world.plan(KIND, NAME, loaded(world, backup=False))) == ["blocked: fixed-attribute"]


def test_a_file_that_changes_between_plan_and_load_is_noticed(world: World) -> None:
    desired = loaded(world)
    verdict = world.plan(KIND, NAME, desired)
    (world.project / "f.csv").write_text("changed")
    with pytest.raises(ReconcilerError, match=r"f\.csv changed while it was loaded"):
        world.carry_out(ADDRESS, desired, verdict.operations)


IMPACTS = {
    "encrypting is online on ra3 (RE9)": (under(KEY_ONE), Availability.NONE, 1000),
    "reads only on dc2 (RE9)": (under(KEY_ONE, nodeType="dc2.large"), Availability.READ_ONLY, 1000),
}


@pytest.mark.parametrize(("desired", "availability", "size"), IMPACTS.values(), ids=IMPACTS.keys())
def test_what_encrypting_costs(world: World, desired: ClusterSpec, availability: Availability, size: int) -> None:
    files = [table(world, "flights", "a", "f.csv")]
    world.apply(KIND, NAME, under({"enabled": False}, tables=files))
    verdict = world.plan(KIND, NAME, desired)
    encrypt = verdict.operations[-1]
    assert (encrypt.impact.availability, encrypt.impact.bytes) == (availability, size)
    assert any("rehearse" in warning for warning in verdict.warnings)
    assert encrypt.lets_go == ()


def test_a_switch_rewrites_no_data_and_lets_the_old_key_go(world: World) -> None:
    world.apply(KIND, NAME, under(KEY_ONE, tables=[table(world, "flights", "a", "f.csv")]))
    (switch,) = world.plan(KIND, NAME, under({"key": "two"})).operations
    assert (switch.impact.bytes, switch.impact.availability) == (0, Availability.NONE)
    assert switch.lets_go == (world.eu.clusters[NAME].arn,)
    assert switch.waits_for_references
    assert switch.concerns_dependents


def test_a_key_that_is_yet_to_be_made_is_known_after_apply(world: World) -> None:
    world.apply(KIND, NAME, under(KEY_ONE))
    (entry,) = world.plan(KIND, NAME, under({"key": "new"})).diff
    assert (entry.before, entry.after) == (world.eu.clusters[NAME].root.key_arn, KNOWN_AFTER_APPLY)


def test_rotation_is_done_once_even_when_its_outcome_was_lost(world: World) -> None:
    world.apply(KIND, NAME, under({**KEY_ONE, "rotation": {"trigger": "first"}}))
    desired = under({**KEY_ONE, "rotation": {"trigger": "second"}})
    (rotate,) = world.plan(KIND, NAME, desired).operations
    world.carry_out(ADDRESS, desired, [rotate])
    world.token = f"{world.token}-another"
    rotate.steps[0].run(world)
    assert world.eu.calls.count("rotate_encryption_key") == 1


def test_when_the_next_rotation_is_due(world: World) -> None:
    desired = under({**KEY_ONE, "rotation": {"every": "90d"}})
    world.apply(KIND, NAME, desired)
    seen = KIND.observe([], world).get(ADDRESS)
    assert seen is None
    now = world.observe(KIND, ADDRESS)
    assert isinstance(now, KIND.observation)
    assert KIND.due_at(desired, {}, now) == world.clock.now().timestamp() + 90 * 86400
    assert KIND.due_at(under(KEY_ONE), {}, now) is None
    assert KIND.due_at(desired, {}, None) is None


def test_a_change_that_did_not_take_is_not_called_done(world: World) -> None:
    world.apply(KIND, NAME, under(KEY_ONE))
    step = VerifyRoot(id="v", summary="", address=ADDRESS, provider="eu", root=_wanted(world, under({"key": "two"})))
    with pytest.raises(InvalidClusterStateFault, match="after its change of root"):
        step.run(world)
    world.eu.clusters.clear()
    with pytest.raises(InvalidClusterStateFault, match="is gone after"):
        step.run(world)


def _wanted(world: World, desired: ClusterSpec) -> Any:
    step = world.plan(KIND, NAME, desired).operations[0].steps[0]
    return getattr(step, "root", None)


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
    assert KIND.recover(intent, world) == dict(row.attributes)
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
