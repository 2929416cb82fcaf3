"""``destroy`` confirmed by name: what the state records goes, copies abroad too, and every key can go after them."""

from __future__ import annotations

from pathlib import Path

from reconciler.providers.typed import caller, warehouse_provider
from tests.world import World

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
