"""Cluster: automated snapshots, what it is made of, escrow, re-encryption (SC1, RE11, RE14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import MissingCapability, ResourceNotFoundException
from reconciler.model.change import Action, Availability, Verb
from reconciler.model.plan import Finding
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler.resources.cluster.kind import KIND
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import Target
from tests.resources.clusters import ADDRESS, KEY_ONE, NAME, cluster, observed, table, under, with_two_keys
from tests.resources.in_memory import World, kms, shape

SWITCH = "switch-key: modify-encryption verify-root"
TWICE_A_DAY = {"every": "12h", "retention": "7d"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = with_two_keys(tmp_path)
    made.key("spare")
    made.key("other-spare")
    return made


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` is applied, ``behind`` changes the warehouse behind our back, ``after`` is planned and applied."""

    before: ClusterSpec
    after: ClusterSpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None


def with_escrow(**more: Any) -> ClusterSpec:
    return under({**KEY_ONE, "escrow": "spare", **more})


def again(*tables: dict[str, Any], **more: Any) -> ClusterSpec:
    return under({**KEY_ONE, "reencrypt": True, **more}, tables=list(tables))


SCHEDULE = SnapshotSchedule(every=timedelta(hours=12), retention=timedelta(days=7))
CASES = {
    "snapshots by itself from now on (SC1)": Case(
        before=cluster(), after=cluster(snapshots=TWICE_A_DAY), expect=["update: set-schedule"]
    ),
    "another schedule": Case(
        before=cluster(snapshots=TWICE_A_DAY), after=cluster(snapshots={"every": "8h"}), expect=["update: set-schedule"]
    ),
    "the same schedule, spelled otherwise": Case(
        before=cluster(snapshots=TWICE_A_DAY),
        after=cluster(snapshots={"every": "720m", "retention": "168h"}),
        expect=[],
    ),
    "the block is taken away: no more by itself": Case(
        before=cluster(snapshots=TWICE_A_DAY), after=cluster(), expect=["update: set-schedule"]
    ),
    "somebody switched them off": Case(
        before=cluster(snapshots=TWICE_A_DAY),
        behind=observed(schedule=None),
        after=cluster(snapshots=TWICE_A_DAY),
        expect=["update: set-schedule"],
    ),
    "an escrow key is named (RE14)": Case(before=under(KEY_ONE), after=with_escrow(), expect=["re-wrap: set-escrow"]),
    "another escrow key": Case(
        before=with_escrow(), after=with_escrow(escrow="other-spare"), expect=["re-wrap: set-escrow"]
    ),
    "the same by its ARN": Case(
        before=with_escrow(),
        after=with_escrow(escrow={"arn": "arn:aws:kms:eu-west-1:111122223333:key/spare"}),
        expect=[],
    ),
    "no escrow any more": Case(before=with_escrow(), after=under(KEY_ONE), expect=["update: set-escrow"]),
    "the manifest is silent about encryption: escrow stays (I18)": Case(
        before=under({"owned": True, "escrow": "spare"}), after=cluster(), expect=[]
    ),
    "encrypted, then in escrow": Case(
        before=under({"enabled": False}),
        after=with_escrow(),
        expect=["encrypt: modify-encryption verify-root", "re-wrap: set-escrow"],
    ),
    "decrypted, there is nothing to keep in escrow": Case(
        before=with_escrow(), after=under({"enabled": False}), expect=["decrypt: modify-encryption verify-root"]
    ),
    "written again under new keys": Case(before=under(KEY_ONE), after=again(), expect=["re-encrypt: re-encrypt"]),
    "made so: recorded, not done": Case(before=again(), after=again(), expect=[]),
    "taken back: nothing": Case(before=again(), after=under(KEY_ONE), expect=[]),
    "a new trigger: once more, in the place of a rotation": Case(
        before=again(), after=again(rotation={"trigger": "leaked"}), expect=["re-encrypt: re-encrypt"]
    ),
    "another root: switched, and written again": Case(
        before=again(), after=again(key="two"), expect=[SWITCH, "re-encrypt: re-encrypt"]
    ),
    "encrypting makes every key anew": Case(
        before=under({"enabled": False}), after=again(), expect=["encrypt: modify-encryption verify-root"]
    ),
    "a re-encryption that was begun goes on, whatever the manifest says by now": Case(
        before=under(KEY_ONE),
        behind=lambda world: (observed(status="resizing")(world), world.eu.under_way.update({NAME: "re-encrypt"}))[0],
        after=under(KEY_ONE),
        expect=["re-encrypt: re-encrypt"],
    ),
    "a resize waits for an encryption that is under way (RE9)": Case(
        before=under({"enabled": False}),
        behind=observed(status="resizing"),
        after=under(KEY_ONE, nodes=8),
        expect=["encrypt: modify-encryption verify-root", "update: resize"],
    ),
    "snapshots stay where they are": Case(
        before=under(KEY_ONE), after=under({"key": "two", "snapshotsFollow": False}), expect=[SWITCH]
    ),
    "whether snapshots follow says nothing while the root is the same": Case(
        before=under(KEY_ONE), after=under({**KEY_ONE, "snapshotsFollow": False}), expect=[]
    ),
    "what it was made of is gone: nothing to say": Case(
        before=cluster(), after=cluster(restoreFrom="nowhere"), expect=["blocked: restore-in-place"]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_cluster_that_exists(world: World, case: Case) -> None:
    world.apply(KIND, NAME, case.before)
    case.behind(world)
    assert shape(world.plan(KIND, NAME, case.after)) == case.expect
    if case.expect and not case.expect[0].startswith("blocked"):
        world.apply(KIND, NAME, case.after)
        assert shape(world.plan(KIND, NAME, case.after)) == []


def test_a_new_cluster_gets_its_schedule_and_its_escrow_before_it_is_loaded(world: World) -> None:
    declared = under(
        {**KEY_ONE, "escrow": "spare"}, snapshots=TWICE_A_DAY, tables=[table(world, "t", "a\n1\n", "t.csv")]
    )
    verdict = world.apply(KIND, NAME, declared)

    assert shape(verdict) == ["create: create-cluster", "re-wrap: set-escrow", "update: set-schedule", "load: load-t"]
    assert verdict.warnings == ()
    made = world.eu.clusters[NAME]
    assert (made.schedule, made.escrow_arn) == (SCHEDULE, world.key("spare"))
    assert shape(world.plan(KIND, NAME, declared)) == []


def test_only_an_alone_switch_leaves_what_follows_the_cluster(world: World) -> None:
    world.apply(KIND, NAME, under(KEY_ONE))
    alone = world.plan(KIND, NAME, under({"key": "two", "snapshotsFollow": False})).operations[0]
    along = world.plan(KIND, NAME, under({"key": "two"})).operations[0]

    assert (alone.followers_stay, along.followers_stay) == (True, False)
    assert "its snapshots stay under the root that they are under" in alone.steps[0].summary
    world.apply(KIND, NAME, under({"key": "two", "snapshotsFollow": False}))
    assert "switch_root_alone" in world.eu.calls
    assert world.rows[ADDRESS].attributes["snapshots_stay"] is True
    world.apply(KIND, NAME, under(KEY_ONE))
    assert "snapshots_stay" not in world.rows[ADDRESS].attributes


def test_re_encrypting_says_what_it_costs_and_what_it_leaves(world: World) -> None:
    world.apply(KIND, NAME, under(KEY_ONE, tables=[table(world, "t", "a\n1\n", "t.csv")]))
    verdict = world.plan(KIND, NAME, again(table(world, "t", "a\n1\n", "t.csv")))

    assert (verdict.operations[0].impact.bytes, verdict.operations[0].impact.availability) == (1000, Availability.NONE)
    assert "let the old snapshots go" in verdict.warnings[0]


# --- made of a snapshot ----------------------------------------------------------------------------------------------


def taken(world: World) -> str:
    world.apply(KIND, "old", under(KEY_ONE, tables=[table(world, "t", "a\n1\n", "t.csv")]))
    made = world.eu.create_snapshot(None, "old", "before", retention_days=7, token="taken")  # type: ignore[arg-type]  # nobody asks who
    world.record("Snapshot/before", id=made.arn, arn=made.arn, name=made.name)
    return made.arn


@pytest.mark.parametrize("source", ["by name", "by ARN"])
def test_a_cluster_is_made_of_a_snapshot_once(world: World, source: str) -> None:
    arn = taken(world)
    declared = under({"key": "two"}, restoreFrom="before" if source == "by name" else {"arn": arn})
    verdict = world.apply(KIND, NAME, declared)

    assert (verdict.action, shape(verdict)) == (Action.CREATE, ["restore: restore-cluster"])
    assert [table.name for table in world.eu.clusters[NAME].tables] == ["restored"]
    assert world.eu.clusters[NAME].root == kms(world.key("two"))
    assert shape(world.plan(KIND, NAME, declared)) == []
    world.eu.snapshots.clear()
    del world.rows[next(address for address in world.rows if address.kind == "Snapshot")]
    assert shape(world.plan(KIND, NAME, declared)) == []


def test_a_snapshot_of_a_service_has_a_colon_in_its_name(world: World) -> None:
    taken(world)
    snapshot = world.eu.snapshots["before"]
    arn = "arn:aws:redshift:eu-west-1:111122223333:snapshot:old/rs:old-2026-01-05-00-00-00"
    world.eu.snapshots = {"rs:old-2026-01-05-00-00-00": replace(snapshot, name="rs:old-2026-01-05-00-00-00", arn=arn)}
    world.apply(KIND, NAME, under(KEY_ONE, restoreFrom={"arn": arn}))
    assert NAME in world.eu.clusters


def test_a_plan_looks_whether_the_snapshot_is_there(world: World) -> None:
    taken(world)
    world.eu.snapshots.clear()
    verdict = world.plan(KIND, NAME, under(KEY_ONE, restoreFrom="before"))
    with pytest.raises(ResourceNotFoundException, match="no such snapshot"):
        verdict.operations[0].steps[0].check(world)


def test_regulated_data_are_not_restored_in_clear(world: World) -> None:
    taken(world)
    verdict = world.plan(KIND, NAME, under({"enabled": False}, restoreFrom="before"), labels={"data-class": "HIPAA"})
    assert shape(verdict) == ["blocked: data-class"]


def test_data_that_are_lost_come_back_from_the_snapshot_that_is_named_then(world: World) -> None:
    arn = taken(world)
    world.apply(KIND, NAME, under(KEY_ONE))
    world.eu.clusters.pop(NAME)

    assert shape(world.plan(KIND, NAME, under(KEY_ONE))) == ["blocked: data-missing"]
    back = under(KEY_ONE, restoreFrom={"arn": arn})
    assert shape(world.apply(KIND, NAME, back)) == ["restore: restore-cluster"]
    world.eu.clusters.pop(NAME)
    # What was written since would be lost in silence: the snapshot that it was made of does not bring that back.
    assert shape(world.plan(KIND, NAME, back)) == ["blocked: data-missing"]


# --- what a warehouse cannot do --------------------------------------------------------------------------------------

LACKING = {
    "make snapshots by itself": under(KEY_ONE, snapshots=TWICE_A_DAY),
    "keep keys in escrow": with_escrow(),
    "re-encrypt data": again(),
    "leave snapshots behind": under({"key": "two", "snapshotsFollow": False}),
}


@pytest.mark.parametrize("lacking", LACKING)
def test_what_a_warehouse_cannot_do_is_refused_at_plan(world: World, lacking: str) -> None:
    world.apply(KIND, NAME, under(KEY_ONE))
    step = world.plan(KIND, NAME, LACKING[lacking]).operations[-1].steps[0]
    world.providers["eu"] = object()
    with pytest.raises(MissingCapability, match=lacking):
        step.check(world)


def test_what_a_warehouse_cannot_restore_is_refused_at_plan(world: World) -> None:
    taken(world)
    step = world.plan(KIND, NAME, under(KEY_ONE, restoreFrom="before")).operations[0].steps[0]
    world.providers["eu"] = object()
    with pytest.raises(MissingCapability, match="restore snapshots"):
        step.check(world)


# --- drift, import, show ---------------------------------------------------------------------------------------------


def test_another_escrow_key_than_the_declared_one_weakens_protection(world: World) -> None:
    world.apply(KIND, NAME, with_escrow())
    observed(escrow_arn="arn:aws:kms:eu-west-1:999999999999:key/theirs")(world)
    assert _classes(world.drift(KIND, NAME)) == [("escrow-changed", "escrow_arn", "security")]


def test_what_is_adopted_is_not_written_again(world: World) -> None:
    assert KIND.as_done(again(rotation={"trigger": "x"}), {"root": "kms", "key_arn": "arn:key"}) == {
        "reencrypted": "arn:key x"
    }
    assert KIND.as_done(cluster(restoreFrom="before"), {"root": "owned"}) == {"restored_from": "Snapshot/before"}


def test_show_tells_what_the_warehouse_says_and_how_far_a_change_is(world: World) -> None:
    world.apply(KIND, NAME, under(KEY_ONE, snapshots=TWICE_A_DAY))
    world.eu.under_way[NAME] = str(Verb.RE_ENCRYPT)
    assert KIND.describe is not None
    shown = KIND.describe(Target(address=ADDRESS, provider="eu", attributes=world.rows[ADDRESS].attributes), world)
    assert shown is not None
    words = dict(shown.lines)
    assert words["snapshots"] == "every 12h, kept for 7d"
    assert words["escrow"].startswith("none: unrecoverable")
    assert words["under way"] == ("re-encrypt, 500 of 2,000 bytes, 1 of 4 segments, 250 bytes a second, about 6 s left")
    assert shown.facts["change"]["secondsLeft"] == 6.0
    assert shown.facts["snapshots"] == {"every": "12h", "retention": "7d"}


def test_show_asks_for_no_escrow_of_a_key_that_nobody_can_lose(world: World) -> None:
    world.apply(KIND, NAME, cluster())
    assert KIND.describe is not None
    shown = KIND.describe(Target(address=ADDRESS, provider="eu", attributes=world.rows[ADDRESS].attributes), world)
    assert shown is not None
    assert dict(shown.lines)["escrow"] == "none"


def _classes(found: Any) -> list[tuple[str, str, str]]:
    findings: list[Finding] = list(found)
    return [(one.drift_class, one.path, str(one.severity)) for one in findings]
