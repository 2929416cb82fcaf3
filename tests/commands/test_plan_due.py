"""A plan tells what an apply does beside it; that is no change, makes no plan stale, and keeps none from being made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.commands.planning import make_plan
from reconciler.commands.saved_plan import plan_digest
from reconciler.errors import InvalidClusterStateFault, ProviderUnavailable
from reconciler.model.due_work import DueWork
from reconciler.planning.request import PlanRequest
from reconciler.providers.pool import ProviderPool
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.views.plan_text import render_plan
from reconciler_softkms import SoftKms
from reconciler_warehouse import Warehouse
from tests.world import World, document, provider

PROVIDERS = provider("kms") + provider("dw", "warehouse")
SCHEDULE = "{every: 8h, retention: 1d}"
CLUSTER = document("Cluster", "c", provider="dw", nodeType="ra3.large", encryption="{owned: true}", snapshots=SCHEDULE)
EXIT = ("--detailed-exitcode", "--format", "json")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A cluster whose snapshots are taken every eight hours, the first of which is due, also by the machine's clock."""
    made = World(tmp_path / "project")
    made.declare(PROVIDERS + CLUSTER)
    made.apply()
    made.clock.advance(hours=8)
    return made


def test_it_tells_what_whose_since_when_and_at_which_provider(world: World) -> None:
    (one,) = world.plan(tell_due=True).due
    assert (one.kind, one.name, one.provider, str(one.address)) == ("cluster", "c", "dw", "Cluster/c")
    assert one.since == world.clock.now()
    assert "by schedule" in one.what


def test_what_is_due_is_no_change(world: World) -> None:
    ran = world.run("plan", *EXIT)
    assert (ran.code, ran.json["changes"], ran.json["summary"]["operations"]) == (0, [], {})
    assert [(one["provider"], one["address"], one["removesData"]) for one in ran.json["due"]] == [
        ("dw", "Cluster/c", False)
    ]
    assert not world.plan().has_changes
    assert "No changes." in world.run("plan").out


def test_what_was_listed_is_done_by_the_apply_and_then_nothing_is_listed(world: World) -> None:
    assert world.plan(tell_due=True).due
    world.apply()
    assert world.plan(tell_due=True).due == ()
    world.clock.advance(days=2)
    marks = [(one.kind, one.removes_data) for one in world.plan(tell_due=True).due]
    assert marks == [("snapshot", True), ("cluster", False)]
    told = world.apply()
    assert "Expired, and removed: snapshot rs:c-" in told
    assert "was taken by schedule (dw)." in told
    assert world.plan(tell_due=True).due == ()


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_a_saved_plan_has_it_and_is_applied_whatever_is_due_by_then(world: World, form: str) -> None:
    saved = str(world.folder / "plan.bin")
    shown = world.run("plan", "--out", saved, "--format", form)
    assert "by schedule" in shown.out
    assert world.run("show", saved, "--format", form).out == shown.out
    ran = world.run("apply", saved)
    assert (ran.code, "was taken by schedule (dw)." in ran.err) == (0, True)
    assert "due" not in world.run("plan", *EXIT).json


def test_it_is_no_part_of_what_a_plan_is_known_by(world: World) -> None:
    plan = world.plan(tell_due=True)
    assert plan.due
    assert plan_digest(plan) == plan_digest(replace(plan, due=()))


def test_it_looks_ahead(world: World) -> None:
    world.apply()
    assert world.plan(tell_due=True).due == ()
    ahead = world.plan(tell_due=True, at=world.clock.now() + timedelta(days=1))
    assert [one.kind for one in ahead.due] == ["snapshot", "cluster"]
    assert render_plan(ahead, colour=False).startswith("Due by 2026-01-06 17:00 UTC; an apply then does it")


def test_without_a_look_at_the_world_nothing_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Warehouse, "due_work", lambda *_, **__: pytest.fail("nobody is to be asked"))
    assert world.plan(tell_due=True, refresh=False).due == ()


def test_one_that_cannot_say_is_a_warning_and_the_plan_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(self: Warehouse, caller: object, *, at: object, leave: object) -> list[DueWork]:
        raise InvalidClusterStateFault("the catalogue cannot be read")

    monkeypatch.setattr(Warehouse, "due_work", refuses)
    plan = world.plan(tell_due=True)
    (warning,) = plan.warnings
    assert (warning.severity, warning.address, plan.due) == ("warning", "Provider/dw", ())
    assert "at dw is not known: the catalogue cannot be read" in warning.summary
    assert world.run("plan", *EXIT).code == 0


def test_one_that_cannot_be_reached_keeps_no_plan_from_being_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.declare(PROVIDERS + provider("far", "warehouse", "us-east-1") + CLUSTER)
    build = ProviderPool._build

    def away(pool: ProviderPool, name: str) -> object:
        if name == "far":
            raise ProviderUnavailable("far is away")
        return build(pool, name)

    monkeypatch.setattr(ProviderPool, "_build", away)
    plan = world.plan(tell_due=True)
    assert [one.provider for one in plan.due] == ["dw"]
    assert not plan.is_blocked


def test_one_call_is_made_of_each_that_can_say_and_others_are_not_even_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    listed = Warehouse.due_work
    build = ProviderPool._build

    def counted(self: Warehouse, caller: object, *, at: object, leave: object) -> list[DueWork]:
        asked.append(self.region)
        return listed(self, caller, at=at, leave=leave)  # type: ignore[arg-type]  # handed on as it came

    world = World(tmp_path / "project")
    world.declare(provider("kms") + provider("dw", "warehouse") + provider("wide", "tables"))
    monkeypatch.setattr(Warehouse, "due_work", counted)
    built: list[str] = []

    def watched(pool: ProviderPool, name: str) -> object:
        built.append(name)
        return build(pool, name)

    monkeypatch.setattr(ProviderPool, "_build", watched)
    with world.session() as session:
        make_plan(session, PlanRequest(), warn=False, tell_due=True)
    assert (asked, built) == (["eu-west-1"], ["dw"])
    assert not hasattr(SoftKms, "due_work")


def test_listing_takes_no_snapshot(world: World) -> None:
    world.plan(tell_due=True)
    with world.session() as session:
        assert warehouse_provider(session, "dw").describe_snapshots(caller(session, "dw")) == []
