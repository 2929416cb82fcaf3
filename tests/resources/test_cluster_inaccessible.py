"""Cluster whose root key is lost: nothing is begun, and the way out is said in order (RE8, RE14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.providers.warehouse import Inaccessibility, RootKeyState
from reconciler.resources.cluster.kind import KIND
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.kind import Target
from tests.resources.clusters import ADDRESS, KEY_ONE, NAME, observed, table, under, with_two_keys
from tests.resources.in_memory import World, shape

BACKUP = "arn:aws:redshift:eu-west-1:111122223333:snapshot:sales/rs:sales-backup"
SPARE = "arn:aws:kms:eu-west-1:111122223333:key/spare"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = with_two_keys(tmp_path)
    made.apply(KIND, NAME, under(KEY_ONE))
    return made


def lose(world: World, cause: RootKeyState, escrow: str | None = None, backup: str | None = "rs:sales-backup") -> None:
    since = world.clock.now()
    lost = Inaccessibility(
        since=since, deadline=since + timedelta(days=14), cause=cause, backup=backup, escrow_arn=escrow
    )
    observed(status="inaccessible-kms-key", inaccessible=lost)(world)


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (RootKeyState.DISABLED, "its root key is disabled"),
        (RootKeyState.PENDING_DELETION, "Cancel the deletion of"),
        (RootKeyState.ACCESS_REMOVED, "policy and grants as they were"),
        (RootKeyState.DESTROYED, "unrecoverable: no escrow key was declared"),
        (RootKeyState.USABLE, "Run `reconciler apply`"),
    ],
)
def test_a_plan_says_why_until_when_and_what_ends_it(world: World, cause: RootKeyState, says: str) -> None:
    lose(world, cause)
    verdict = world.plan(KIND, NAME, under(KEY_ONE))

    assert shape(verdict) == []
    (warning,) = verdict.warnings
    day = world.clock.now() + timedelta(days=14)
    assert says in warning
    assert f"on {day:%Y-%m-%d %H:%M} UTC it is given up (RE8)" in warning


def test_after_the_deadline_nothing_is_said_to_come_by_then(world: World) -> None:
    lose(world, RootKeyState.DISABLED)
    deadline = world.clock.now() + timedelta(days=14)
    world.clock.advance(days=14)
    (warning,) = world.plan(KIND, NAME, under(KEY_ONE)).warnings
    refused = world.plan(KIND, NAME, under(KEY_ONE, nodes=9)).blocked[0]
    (found,) = world.drift(KIND, NAME)
    shown = KIND.describe
    assert shown is not None
    told = shown(Target(address=ADDRESS, provider="eu", attributes=world.rows[ADDRESS].attributes), world)
    assert told is not None

    for text in (warning, refused.reason, str(found.observed), dict(told.lines)["root key"]):
        assert f"its time was over on {deadline:%Y-%m-%d %H:%M} UTC, and applies give it up (RE8)" in text
    for text in (warning, refused.way_out[0], found.fix):
        assert f"Before the next apply: its time was over on {deadline:%Y-%m-%d %H:%M} UTC." in text
        assert "By 20" not in text
        assert f"on {deadline:%Y-%m-%d %H:%M} UTC it is given up" not in text


def test_nothing_that_needs_its_keys_is_begun(world: World) -> None:
    lose(world, RootKeyState.DISABLED)
    verdict = world.plan(KIND, NAME, under({**KEY_ONE, "rotation": {"trigger": "now"}}, nodes=9))

    assert shape(verdict) == ["blocked: warehouse-inaccessible"]
    assert "(update, rotate)" in verdict.blocked[0].reason
    assert verdict.blocked[0].way_out[0].startswith("Enable arn:aws:kms")


def test_an_escrow_key_opens_the_backup_when_the_root_is_destroyed(world: World) -> None:
    lose(world, RootKeyState.DESTROYED, escrow=SPARE)
    (warning,) = world.plan(KIND, NAME, under(KEY_ONE)).warnings

    assert f"restoreFrom: {{arn: {BACKUP}}}" in warning
    assert warning.endswith(f"{SPARE} opens it.")
    assert "unrecoverable" not in warning


def test_drift_tells_of_it_with_its_deadline(world: World) -> None:
    lose(world, RootKeyState.DISABLED)
    (found,) = world.drift(KIND, NAME)

    assert (found.drift_class, str(found.severity), found.path) == ("warehouse-inaccessible", "security", "status")
    assert f"on {world.clock.now() + timedelta(days=14):%Y-%m-%d}" in str(found.observed)
    assert "unrecoverable without that key" in str(found.observed)
    assert found.fix.startswith("Enable ")


def test_a_cluster_that_was_given_up_is_restored_from_its_backup_and_not_made_again_empty(world: World) -> None:
    lose(world, RootKeyState.DESTROYED, escrow=SPARE)
    seen = world.observe(KIND, ADDRESS)
    assert seen is not None
    world.rows[ADDRESS] = replace(world.rows[ADDRESS], observed=seen.model_dump_json())
    world.eu.clusters.clear()
    verdict = world.plan(KIND, NAME, under(KEY_ONE))

    assert shape(verdict) == ["blocked: data-missing"]
    assert f"restoreFrom: {{arn: {BACKUP}}}" in verdict.blocked[0].way_out[0]
    assert SPARE in verdict.blocked[0].way_out[0]
    assert "is gone before its time is over on" in verdict.blocked[0].reason
    world.clock.advance(days=14)
    assert "and was given up (RE8)" in world.plan(KIND, NAME, under(KEY_ONE)).blocked[0].reason


@pytest.mark.parametrize(
    ("source", "loads"),
    [(BACKUP, []), (BACKUP.replace("backup", "older"), ["load: load-t"])],
    ids=["its sealed backup", "another snapshot"],
)
def test_what_its_backup_holds_is_not_planned_to_be_loaded_again(world: World, source: str, loads: list[str]) -> None:
    """All that it held when its key was lost; whatever else it may be made of is not known before."""
    declared = under(KEY_ONE, tables=[table(world, "t", "a\n1\n", "t.csv")])
    world.apply(KIND, NAME, declared)
    lose(world, RootKeyState.DISABLED)
    seen = world.observe(KIND, ADDRESS)
    assert seen is not None
    world.rows[ADDRESS] = replace(world.rows[ADDRESS], observed=seen.model_dump_json())
    world.eu.clusters.clear()
    held, more = table(world, "t", "a\n1\n", "t.csv"), table(world, "u", "b\n2\n", "u.csv")
    again = under(KEY_ONE, restoreFrom={"arn": source}, tables=[held])
    assert shape(world.plan(KIND, NAME, again)) == ["restore: restore-cluster", *loads]
    added = under(KEY_ONE, restoreFrom={"arn": source}, tables=[held, more])
    assert shape(world.plan(KIND, NAME, added)) == ["restore: restore-cluster", *loads, "load: load-u"]


def test_an_encryption_whose_step_failed_at_its_first_snapshot_is_taken_up_by_a_step(world: World) -> None:
    """What the step did is then recorded: the state still says that the cluster is plain."""
    observed(awaits_snapshot=True)(world)
    row = world.rows[ADDRESS]
    world.rows[ADDRESS] = replace(row, attributes={**row.attributes, "root": "none", "key_arn": None})
    verdict = world.plan(KIND, NAME, under(KEY_ONE))

    assert shape(verdict) == ["encrypt: modify-encryption verify-root"]


def test_encrypted_and_no_snapshot_yet_is_a_phase_of_its_own(world: World) -> None:
    observed(awaits_snapshot=True)(world)
    verdict = world.plan(KIND, NAME, under(KEY_ONE))

    assert shape(verdict) == []
    assert "not failed either (RE10)" in verdict.warnings[0]
    seen = world.observe(KIND, ADDRESS)
    assert isinstance(seen, ClusterObservation)
    assert KIND.due_at(under(KEY_ONE), {}, seen) == 0.0
