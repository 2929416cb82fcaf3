"""``destroy`` confirmed by name: what the state records goes, copies abroad too, and every key can go after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.address import Address
from reconciler.providers.typed import caller, warehouse_provider
from tests.world import World, document

START = Path(__file__).parent.parent / "scenarios" / "copying-off" / "start"


def test_everything_that_was_made_goes_and_then_its_keys(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(START)
    world.apply()
    plan = world.plan(destroy=True, confirmed=True)
    assert not plan.is_blocked
    world.apply(destroy=True, confirmed=True)
    with world.session() as session:
        assert [row.address for row in session.reader.all()] == ["Key/one", "Key/us"]  # waiting out their windows
        for name in ("dw", "dw-us"):
            warehouse = warehouse_provider(session, name)
            assert warehouse.describe_snapshots(caller(session, name)) == []
            assert warehouse.describe_clusters(caller(session, name)) == []
        assert session.census().uses == ()


def test_without_the_confirmation_the_copies_stay_and_nothing_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(START)
    world.apply()
    world.apply(destroy=True)
    with world.session() as session:
        warehouse = warehouse_provider(session, "dw-us")
        assert len(warehouse.describe_snapshots(caller(session, "dw-us"))) == 1


OTHER = (
    document("Cluster", "others", provider="dw", nodeType="ra3.large", nodes=1, encryption="{key: one}")
    + document("Snapshot", "of-others", provider="dw", cluster="others")
    + document("SnapshotCopy", "others-abroad", provider="dw", cluster="others", to="dw-us", grant="from-eu")
)


@pytest.mark.parametrize(
    ("going", "staying"), [("SnapshotCopy/abroad", "of-others"), ("SnapshotCopy/others-abroad", "first")]
)
def test_copies_of_another_cluster_are_not_taken_along(tmp_path: Path, going: str, staying: str) -> None:
    world = World(tmp_path / "project")
    world.declare(START)
    (world.folder / "manifests" / "others.yaml").write_text(OTHER)
    world.apply()
    with world.session() as session:
        assert len(session.attributes(Address(going))["copied"]) == 1
    world.apply(destroy=True, confirmed=True, targets=(Address(going),))
    with world.session() as session:
        warehouse = warehouse_provider(session, "dw-us")
        assert [copy.name for copy in warehouse.describe_snapshots(caller(session, "dw-us"))] == [staying]
