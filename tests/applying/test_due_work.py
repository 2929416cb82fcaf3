"""What stored times say is due is done by an apply, before it plans, and never by a plan (RE2, SC1)."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.commands import upkeep
from reconciler.commands.upkeep import do_due_work
from reconciler.errors import BlockedByGuard, Diagnostic, InvalidClusterStateFault, LockLost
from reconciler.model.address import Address
from reconciler.providers.data import Progress
from reconciler.providers.typed import caller, key_provider, warehouse_provider
from reconciler_warehouse import Warehouse
from tests.faults import failpoints
from tests.world import World, document, provider

PROVIDERS = provider("kms") + provider("dw", "warehouse")
CLUSTER = document(
    "Cluster",
    "c",
    provider="dw",
    nodeType="ra3.large",
    encryption="{owned: true}",
    snapshots="{every: 8h, retention: 1d}",
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(PROVIDERS + CLUSTER)
    made.apply()
    return made


def snapshots(world: World) -> list[tuple[str, str]]:
    with world.session() as session:
        found = warehouse_provider(session, "dw").describe_snapshots(caller(session, "dw"))
    return [(one.kind, one.cluster) for one in found]


def test_an_automated_snapshot_is_taken_when_it_is_due_and_there_is_nothing_left_to_do(world: World) -> None:
    assert not world.plan().has_changes
    world.clock.advance(hours=7, minutes=59)
    world.apply()
    assert snapshots(world) == []
    world.clock.advance(minutes=1)
    assert not world.plan().has_changes  # a plan takes none
    assert snapshots(world) == []
    told = world.apply()
    assert told.index("was taken by schedule (dw).") < told.index("No changes.")  # what it plans is what is there then
    assert snapshots(world) == [("automated", "c")]
    assert not world.plan().has_changes
    world.apply()
    assert snapshots(world) == [("automated", "c")]


def test_automated_snapshots_go_when_their_retention_is_over(world: World) -> None:
    for _ in range(6):
        world.clock.advance(hours=8)
        world.apply()
    assert len(snapshots(world)) == 3  # each a day, one every eight hours


def test_a_provider_that_cannot_do_what_is_due_keeps_nothing_from_being_applied(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: Warehouse, caller: object, *, progress: object, leave: object = ()) -> list[str]:
        raise InvalidClusterStateFault("not now")

    monkeypatch.setattr(Warehouse, "do_due_work", refuses)
    assert "What is due at dw could not be done, and waits for the next apply: not now" in world.apply()


def test_whoever_lost_the_lock_hears_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(self: Warehouse, caller: object, *, progress: object, leave: object = ()) -> list[str]:
        raise LockLost([Diagnostic(code="lock-lost", summary="taken over")])

    monkeypatch.setattr(Warehouse, "do_due_work", overtaken)
    with world.session() as session, pytest.raises(LockLost):
        do_due_work(session)


def test_what_takes_long_is_told_of_now_and_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def goes_on(self: Warehouse, caller: object, *, progress: Progress, leave: object = ()) -> list[str]:
        progress("bytes written again", 7, 9)
        return []

    monkeypatch.setattr(Warehouse, "do_due_work", goes_on)
    assert "segments" not in world.apply()
    monkeypatch.setattr(upkeep, "TELL_EVERY", 0.0)
    assert "dw: bytes written again 7 of 9" in world.apply()


def test_a_change_that_was_interrupted_is_ended_by_the_plans_own_step_which_records_it(tmp_path: Path) -> None:
    """Taken up before the plan it would be there already, and nobody would note under which key."""
    key, encrypted = document("Key", "k", provider="kms"), CLUSTER.replace("{owned: true}", "{key: k}")
    world = World(tmp_path / "other")
    world.declare(PROVIDERS + key + CLUSTER.replace("{owned: true}", "{enabled: false}"))
    world.apply()
    world.declare(PROVIDERS + key + encrypted)
    points = len(failpoints.trace(lambda fs: replace(copied(world, tmp_path / "traced"), fs=fs).apply()))
    for number, at in enumerate(range(points // 2, points, 17)):
        killed = copied(world, tmp_path / str(number))
        assert failpoints.kill(lambda fs, killed=killed: replace(killed, fs=fs).apply(), at)  # type: ignore[misc]  # bound here
        due = [one.what for one in killed.plan(tell_due=True).due]
        assert not any("has not ended" in what for what in due), "the plan's own change takes it up"
        killed.apply()
        assert not killed.plan().has_changes
        assert killed.plan(tell_due=True).due == ()
        with killed.session() as session:
            assert session.attributes(Address("Cluster/c"))["key_arn"] == session.attributes(Address("Key/k"))["arn"]
            (found,) = warehouse_provider(session, "dw").describe_clusters(caller(session, "dw"))
        assert (found.status, found.awaits_snapshot) == ("available", False)


def test_a_cluster_that_was_given_up_is_restored_without_loading_again_what_its_backup_holds(tmp_path: Path) -> None:
    """Each stage is told by the plan before it; what the restored cluster lacks then is nothing (RE8)."""
    world = World(tmp_path / "other")
    world.folder.mkdir()
    (world.folder / "t.csv").write_text("n\n1\n")
    cluster = CLUSTER.replace("{owned: true}", "{key: k}") + "  tables: [{name: t, load: [t.csv]}]\n"
    declared = PROVIDERS + document("Key", "k") + cluster
    world.declare(declared)
    world.apply()

    def key_is(change: str) -> None:
        with world.session() as session:
            key = str(session.attributes(Address("Key/k"))["id"])
            getattr(key_provider(session, "kms"), change)(caller(session, "kms"), key)

    key_is("disable_key")
    told = []
    world.declare(
        declared.replace(
            "kind: Key\nmetadata: {name: k}\nspec:\n",
            "kind: Key\nmetadata: {name: k}\nspec:\n  lifecycle: {ignoreChanges: [enabled]}\n",
        )
    )
    for _ in range(3):
        told.append([(one.name, one.removes_data) for one in world.plan(tell_due=True).due if one.kind == "cluster"])
        with suppress(BlockedByGuard):  # once it is gone
            world.apply()
        world.clock.advance(days=15)
    assert told == [[("c", False)], [("c", False)], [("c", True)]]
    key_is("enable_key")
    (kept,) = [name for name in names(world) if "inaccessible" in name]
    arn = f"arn:aws:redshift:eu-west-1:111122223333:snapshot:c/{kept}"
    world.declare(declared + f"  restoreFrom: {{arn: '{arn}'}}\n")
    plan = world.plan()
    assert {str(operation.verb) for change in plan.changes for operation in change.operations} == {"restore", "update"}
    world.apply()
    assert not world.plan().has_changes
    with world.session() as session:
        (found,) = warehouse_provider(session, "dw").describe_clusters(caller(session, "dw"))
    assert [(table.name, table.rows) for table in found.tables] == [("t", 1)]


def names(world: World) -> list[str]:
    with world.session() as session:
        found = warehouse_provider(session, "dw").describe_snapshots(caller(session, "dw"))
    return [one.name for one in found]


def copied(world: World, folder: Path) -> World:
    shutil.copytree(world.folder, folder)
    return replace(world, folder=folder)
