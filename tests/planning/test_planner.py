"""The whole of "plan", in a project with a real key service (PS2, DESIGN 4)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.model.change import KNOWN_AFTER_APPLY, Action
from reconciler.model.recorded import Recorded
from reconciler.planning.refresh import refresh
from reconciler.providers.typed import caller, holding_policies, key_provider, naming_keys
from tests.world import World, document, provider

KEY, ALIAS = Address("Key/k"), Address("Alias/a")
MANIFESTS = provider() + document("Key", "k", description="ours") + document("Alias", "a", key="k")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(MANIFESTS)
    return made


@pytest.fixture
def applied(world: World) -> World:
    world.apply()
    return world


def actions(world: World, **request: Any) -> dict[str, str]:
    return {change.address: str(change.action) for change in world.plan(**request).changes}


def verbs(world: World, **request: Any) -> list[str]:
    plan = world.plan(**request)
    return [str(operation.verb) for change in plan.changes for operation in change.operations]


def key_id(session: Session) -> str:
    return str(session.attributes(KEY)["id"])


def describe(world: World, description: str) -> None:
    """Change the key behind the state's back."""
    with world.session() as session:
        service = key_provider(session, "kms")
        service.update_key_description(caller(session, "kms"), key_id(session), description)


def unsettle(world: World) -> None:
    """Leave the key's row as an apply does that was interrupted in the middle of a change."""
    with world.session() as session:
        store = session.store
        store.acquire("test", timeout=0)
        intent = store.begin(KEY, provider="kms", step="describe", verb="update", facts={}, uid="u", token="t")
        store.abandon(intent, "test")
        store.release()


# --- what is planned --------------------------------------------------------------------------------------------------


def test_a_plan_changes_nothing(world: World) -> None:
    world.plan()
    assert sorted(path.name for path in world.folder.iterdir()) == ["manifests", "reconciler.yaml"]


def test_changes_stand_in_the_order_in_which_apply_begins_them(world: World) -> None:
    world.declare(provider() + document("Alias", "a", key="z") + document("Key", "z") + document("Key", "b"))
    assert list(actions(world)) == ["Key/b", "Key/z", "Alias/a"]


def test_what_refers_to_a_new_object_shows_its_arn_as_known_after_apply(world: World) -> None:
    (alias,) = [change for change in world.plan().changes if change.address == ALIAS]
    assert [entry.after for entry in alias.diff if entry.path == "spec.key"] == [KNOWN_AFTER_APPLY]


def test_and_to_an_existing_one_the_arn(applied: World) -> None:
    applied.declare(MANIFESTS + document("Alias", "b", key="k"))
    with applied.session() as session:
        arn = session.attributes(KEY)["arn"]
    (alias,) = applied.plan().changes
    assert [entry.after for entry in alias.diff if entry.path == "spec.key"] == [arn]


def test_unchanged_resources_are_counted_and_left_out(applied: World) -> None:
    applied.declare(MANIFESTS.replace("ours", "mine"))
    plan = applied.plan()
    assert [change.address for change in plan.changes] == [KEY]
    assert plan.summary()["noop"] == 1


def test_a_plan_says_what_it_was_made_from(applied: World) -> None:
    plan, reader = applied.plan(), applied.state()
    assert (plan.lineage, plan.serial) == (reader.lineage, reader.serial)
    assert plan.serial == 2
    assert plan.created_at == applied.clock.now()
    assert len(plan.manifests_digest) == 64
    applied.declare(MANIFESTS.replace("ours", "mine"))
    assert applied.plan().manifests_digest != plan.manifests_digest


def test_an_excluded_resource_is_left_as_it_is(applied: World) -> None:
    applied.declare(MANIFESTS.replace("ours", "mine") + document("Key", "new"))
    assert actions(applied, excludes=(KEY,)) == {"Key/new": "create"}
    assert actions(applied, targets=(KEY,)) == {"Key/k": "update"}


def test_destroy_removes_what_refers_before_what_is_referred_to(applied: World) -> None:
    plan = applied.plan(destroy=True, confirmed=True)
    assert [(change.address, str(change.action)) for change in plan.changes] == [
        ("Alias/a", "delete"),
        ("Key/k", "delete"),
    ]
    assert actions(applied, destroy=True) == {"Alias/a": "delete", "Key/k": "retain"}


def test_what_a_manifest_moves_to_another_provider_is_refused(applied: World) -> None:
    applied.declare(provider() + provider("other", region="eu-west-2") + document("Key", "k", provider="other"))
    plan = applied.plan()
    blocks = [block for change in plan.changes if change.address == KEY for block in change.blocked]
    assert [block.guard for block in blocks] == ["provider-change"]
    assert "Provider/kms" in blocks[0].reason
    assert "Provider/other" in blocks[0].reason


# --- refresh ----------------------------------------------------------------------------------------------------------


def test_what_moved_behind_our_back_is_put_back(applied: World) -> None:
    describe(applied, "theirs")
    plan = applied.plan()
    assert [str(change.action) for change in plan.changes] == ["update"]
    assert [finding.path for finding in plan.drift] == ["description"]


def test_without_refresh_nobody_is_asked(applied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(applied, "theirs")

    def provider_asked(self: Session, name: str) -> object:
        raise AssertionError(name)

    monkeypatch.setattr(Session, "provider", provider_asked)
    assert not applied.plan(refresh=False).has_changes


def test_without_refresh_a_changed_manifest_is_compared_with_what_is_remembered(applied: World) -> None:
    describe(applied, "theirs")
    applied.declare(MANIFESTS.replace("ours", "mine"))
    (change,) = applied.plan(refresh=False).changes
    assert [(entry.before, entry.after) for entry in change.diff] == [("ours", "mine")]


def test_what_an_interrupted_change_left_is_observed_even_without_refresh(applied: World) -> None:
    """Observe, do not assume (I10): the memory of it is from before the change."""
    describe(applied, "half way")
    unsettle(applied)
    (change,) = applied.plan(refresh=False).changes
    assert [(entry.before, entry.after) for entry in change.diff] == [("half way", "ours")]


def test_what_was_begun_and_never_made_is_observed_as_not_there(world: World) -> None:
    begun = Recorded(address=KEY, uid="u", provider="kms")
    with world.session() as session:
        assert refresh([begun], session) == {KEY: None}


def test_what_our_own_unfinished_change_did_is_no_drift(applied: World) -> None:
    describe(applied, "half way")
    unsettle(applied)
    assert applied.plan().drift == ()


def test_an_unsettled_resource_that_turns_out_right_needs_no_step_and_is_settled(applied: World) -> None:
    unsettle(applied)
    assert not applied.plan().has_changes
    applied.apply()
    row = applied.state().get(KEY)
    assert row is not None
    assert row.settled


def test_refresh_only_looks_for_drift_and_plans_nothing(applied: World) -> None:
    describe(applied, "theirs")
    applied.declare(MANIFESTS.replace("ours", "mine") + document("Key", "new"))
    plan = applied.plan(refresh_only=True)
    assert plan.changes == ()
    assert [finding.address for finding in plan.drift] == [KEY]


def test_an_applied_refresh_only_plan_remembers_what_is_there_and_changes_nothing(applied: World) -> None:
    describe(applied, "theirs")
    applied.apply(refresh_only=True)
    row = applied.state().get(KEY)
    assert row is not None
    assert json.loads(row.observed or "")["description"] == "theirs"
    assert not row.settled  # or the next plan without refresh would take what is there for what is declared
    assert verbs(applied, refresh=False) == ["update"]
    assert not applied.plan().drift


def test_a_refresh_that_finds_nothing_moved_writes_nothing(applied: World) -> None:
    serial = applied.state().serial
    applied.apply(refresh_only=True)
    assert applied.state().serial == serial


def test_drift_is_told_gravest_first(applied: World) -> None:
    applied.declare(MANIFESTS + document("Key", "b") + document("Key", "c", description="c"))
    applied.apply()
    describe(applied, "theirs")
    with applied.session() as session:
        service, who = key_provider(session, "kms"), caller(session, "kms")
        service.disable_key(who, str(session.attributes(Address("Key/c"))["id"]))
        naming_keys(session, "kms").delete_alias(who, "alias/a")
    found = [(str(finding.severity), finding.address) for finding in applied.plan().drift]
    assert found == [("security", "Key/c"), ("functional", "Alias/a"), ("benign", "Key/k")]


# --- time -------------------------------------------------------------------------------------------------------------

ROTATING = provider() + document("Key", "k", rotation="{every: 90d}")


@pytest.mark.parametrize("refresh", [True, False])
def test_a_rotation_is_planned_when_it_is_due_and_not_a_second_before(world: World, refresh: bool) -> None:
    world.declare(ROTATING)
    world.apply()
    world.clock.advance(days=90, seconds=-1)
    assert verbs(world, refresh=refresh) == []
    world.clock.advance(seconds=1)
    assert verbs(world, refresh=refresh) == ["rotate"]
    world.apply()
    assert verbs(world, refresh=refresh) == []
    world.clock.advance(days=90)
    assert verbs(world, refresh=refresh) == ["rotate"]


def test_at_plans_as_if_it_were_then(world: World) -> None:
    world.declare(ROTATING)
    world.apply()
    then = world.clock.now() + timedelta(days=90)
    assert verbs(world) == []
    assert verbs(world, at=then) == ["rotate"]
    assert world.plan(at=then).created_at == then


def test_an_earlier_rotation_restarts_the_period(world: World) -> None:
    world.declare(ROTATING)
    world.apply()
    world.clock.advance(days=60)
    world.declare(ROTATING.replace("90d", "90d, trigger: now"))
    assert verbs(world) == ["rotate"]
    world.apply()
    world.clock.advance(days=60)
    assert verbs(world) == []


# --- keys on their way out --------------------------------------------------------------------------------------------

GOING = provider() + document("Key", "k", lifecycle="{preventDestroy: false}", deletionWindow="7d")


def test_a_key_in_its_window_needs_nothing_and_is_forgotten_when_it_is_over(world: World) -> None:
    world.declare(GOING)
    world.apply()
    world.declare(provider())
    assert verbs(world) == ["schedule-deletion"]
    world.apply()
    assert actions(world) == {}
    assert world.state().get(KEY) is not None
    world.clock.advance(days=8)
    with world.session() as session:
        assert key_provider(session, "kms").describe_keys(caller(session, "kms"), [key_id(session)]) == {}
    assert actions(world) == {"Key/k": str(Action.FORGET)}
    world.apply()
    assert world.state().get(KEY) is None


def test_declared_again_its_deletion_is_cancelled_and_no_new_key_is_made(world: World) -> None:
    world.declare(GOING)
    world.apply()
    with world.session() as session:
        before = key_id(session)
    world.declare(provider())
    world.apply()
    world.declare(GOING)
    assert verbs(world) == ["cancel-deletion", "enable"]
    world.apply()
    with world.session() as session:
        assert key_id(session) == before
    assert not world.plan().has_changes


# --- what another change concerns -------------------------------------------------------------------------------------


def test_a_policy_is_put_back_on_the_key_that_replaces_a_forgotten_one(applied: World) -> None:
    """A resource whose reference became another object is asked again, though its own manifest did not change."""
    with applied.session() as session:
        session.store.acquire("test", timeout=0)
        session.store.settle((), gone=[KEY])
        session.store.release()
    assert actions(applied) == {"Key/k": "create", "Alias/a": "update"}
    applied.apply()
    with applied.session() as session:
        (alias,) = naming_keys(session, "kms").list_aliases(caller(session, "kms"))
        assert alias.target_key_id == key_id(session)
        assert holding_policies(session, "kms").get_key_policies(caller(session, "kms"), [key_id(session)])


COPYING = (
    "".join(
        provider(f"{plugin}-{region}", plugin, region)
        for plugin in ("softkms", "warehouse")
        for region in ("eu-west-1", "us-east-1")
    )
    + document("Key", "k", provider="softkms-eu-west-1")
    + document("Cluster", "c", provider="warehouse-eu-west-1")
    + document("SnapshotCopy", "x", provider="warehouse-eu-west-1", cluster="c", to="warehouse-us-east-1")
)


def test_what_a_change_of_root_concerns_is_asked_in_the_same_plan(world: World) -> None:
    """Copies under the owned key were right for a cluster under it; for one under a key of one's own they are a silent
    downgrade (CONTRACT 5). Nothing about the copying itself has changed."""
    world.declare(COPYING)
    world.apply()
    world.declare(COPYING.replace("name: c}\nspec:\n", "name: c}\nspec:\n  encryption: {key: k}\n"))
    blocked = {change.address: [block.guard for block in change.blocked] for change in world.plan().changes}
    assert blocked == {"Cluster/c": [], "SnapshotCopy/x": ["silent-downgrade"]}


# --- speed ------------------------------------------------------------------------------------------------------------

NEVER = {"pydantic", "networkx", "yaml", "pyarrow", "duckdb", "cryptography.x509", "difflib", "asyncio", "rich"}
RUN = f"""
import sys
from reconciler.cli import main
code = main(["plan", "--no-refresh", "--detailed-exitcode"])
print("LOADED", code, *sorted({NEVER!r} & sys.modules.keys()))
"""


def run_alone(folder: Path) -> str:
    environ = {**os.environ, "RECONCILER_HOME": str(folder / ".reconciler")}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines()[-1] if done.stdout else done.stderr


def test_a_plan_with_nothing_to_do_loads_no_kind_no_graph_and_no_yaml(applied: World) -> None:
    """PERFORMANCE.md 2: the cached plan of an unchanged project costs what Python's start costs, and little more."""
    (applied.folder / "reconciler.yaml").unlink()  # it is YAML, and read anew each time
    run_alone(applied.folder)  # fills the cache
    assert run_alone(applied.folder) == "LOADED 0"
