"""Cluster: given what is declared, recorded and observed, which operations (RE2, RE9, RE10, RE13, RO1–RO3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InvalidClusterStateFault
from reconciler.model.change import KNOWN_AFTER_APPLY, Action, Availability
from reconciler.providers import data
from reconciler.resources.cluster.kind import KIND
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.steps import VerifyRoot
from tests.resources.clusters import ADDRESS, KEY_ONE, NAME, after_days, cluster, observed, table, under, with_two_keys
from tests.resources.in_memory import OWNED, PLAINTEXT, World, shape


@pytest.fixture
def world(tmp_path: Path) -> World:
    return with_two_keys(tmp_path)


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` is applied, ``behind`` changes the warehouse behind our back, ``after`` is planned."""

    before: ClusterSpec
    after: ClusterSpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None
    labels: Mapping[str, str] = field(default_factory=dict)
    diff: tuple[str, ...] | None = None


NO_BACKUP = data.LoadedTable(name="scratch", rows=1, bytes=9, backup=False, loads=())
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


@pytest.mark.parametrize(
    ("before", "after", "tables"), [({"enabled": False}, KEY_ONE, 1), (KEY_ONE, {"enabled": False}, 2)]
)
def test_only_an_encryption_writes_no_table_again_that_is_in_no_backup(
    world: World, before: dict[str, Any], after: dict[str, Any], tables: int
) -> None:
    """RE10: it does not carry its rows through."""
    files = [table(world, "flights", "a", "f.csv"), table(world, "scratch", "b", "s.csv", backup=False)]
    world.apply(KIND, NAME, under(before, tables=files))
    (changed, *_) = world.plan(KIND, NAME, under(after, tables=files, acknowledge=["backup-no-loss"])).operations
    assert changed.impact.bytes == tables * 1000


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
