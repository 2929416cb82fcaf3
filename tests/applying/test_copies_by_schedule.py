"""Automated snapshots go abroad by themselves, are proved there, are no drift, and go with what is destroyed by name
(SC1, SC2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.providers.typed import caller, warehouse_provider
from tests.world import World, document, provider

MANIFESTS = (
    provider("kms")
    + provider("dw", "warehouse")
    + provider("kms-us", region="us-east-1")
    + provider("dw-us", "warehouse", "us-east-1")
    + document("Key", "one")
    + document("Key", "spare")
    + document(
        "Cluster",
        "c",
        provider="dw",
        encryption="{key: one, escrow: spare}",
        snapshots="{every: 8h, retention: 2d}",
    )
    + document("SnapshotCopyGrant", "g", provider="dw-us")
    + document("SnapshotCopy", "abroad", provider="dw", cluster="c", to="dw-us", grant="g")
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(MANIFESTS)
    made.apply()
    made.clock.advance(hours=8)
    made.apply()
    return made


def snapshots(world: World, provider: str) -> list[str]:
    with world.session() as session:
        found = warehouse_provider(session, provider).describe_snapshots(caller(session, provider))
    return [one.name for one in found]


def test_a_snapshot_that_its_cluster_took_is_copied_and_leaves_nothing_to_plan_or_to_tell(world: World) -> None:
    assert snapshots(world, "dw") == snapshots(world, "dw-us") != []
    plan = world.plan()
    assert (plan.has_changes, plan.drift) == (False, ())


def test_it_is_proved_where_it_lies(world: World) -> None:
    proved = world.run("verify", "SnapshotCopy/abroad").out
    assert "SnapshotCopy/abroad proved: wrapped keys opened" in proved


def test_both_go_with_what_is_destroyed_by_name_and_so_do_the_keys(world: World) -> None:
    world.apply(destroy=True, confirmed=True)
    assert snapshots(world, "dw") == snapshots(world, "dw-us") == []
    with world.session() as session:
        assert {row.address.kind for row in session.reader.all()} == {"Key"}


def test_what_was_taken_by_hand_stays_and_keeps_its_key(world: World) -> None:
    with world.session() as session:
        warehouse, who = warehouse_provider(session, "dw"), caller(session, "dw")
        warehouse.create_snapshot(who, "c", "by-hand", retention_days=None, token="by-hand")
    plan = world.plan(destroy=True, confirmed=True)

    blocked = {str(change.address): change.blocked[0].reason for change in plan.changes if change.blocked}
    assert "snapshot by-hand" in blocked["Key/one"]
    assert "automated" not in blocked["Key/one"]
