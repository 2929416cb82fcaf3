"""Automated snapshots go abroad by themselves, are proved there, are no drift, and go with what is destroyed (SC2)."""

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
    + document("Cluster", "c", provider="dw", encryption="{owned: true}", snapshots="{every: 8h, retention: 2d}")
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


def abroad(world: World) -> list[str]:
    with world.session() as session:
        found = warehouse_provider(session, "dw-us").describe_snapshots(caller(session, "dw-us"))
    return [one.name for one in found]


def test_a_snapshot_that_its_cluster_took_is_copied_and_leaves_nothing_to_plan_or_to_tell(world: World) -> None:
    assert len(abroad(world)) == 1
    plan = world.plan()
    assert (plan.has_changes, plan.drift) == (False, ())


def test_it_is_proved_where_it_lies(world: World) -> None:
    proved = world.run("verify", "SnapshotCopy/abroad").out
    assert "SnapshotCopy/abroad proved: wrapped keys opened" in proved


def test_it_goes_with_what_is_destroyed_by_name(world: World) -> None:
    world.apply(destroy=True, confirmed=True)
    assert abroad(world) == []
