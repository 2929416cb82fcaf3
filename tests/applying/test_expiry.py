"""Snapshots whose retention is over go when somebody applies, never by a plan, and free their key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.commands.upkeep import expire
from reconciler.errors import DamagedStore
from reconciler.providers.typed import caller, warehouse_provider
from tests.world import World, document, provider

PROVIDERS = provider("kms") + provider("dw", "warehouse")
LOOSE = "{preventDestroy: false}"
KEY = document("Key", "one", lifecycle=LOOSE)
CLUSTER = document(
    "Cluster", "c", provider="dw", nodeType="ra3.large", nodes="1", encryption="{key: one}", lifecycle=LOOSE
)
SNAPSHOT = document("Snapshot", "s", provider="dw", cluster="c", retention="2d")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(PROVIDERS + KEY + CLUSTER + SNAPSHOT)
    made.apply()
    return made


def snapshots(world: World) -> list[str]:
    with world.session() as session:
        return [found.name for found in warehouse_provider(session, "dw").describe_snapshots(caller(session, "dw"))]


def test_a_plan_removes_nothing(world: World) -> None:
    world.clock.advance(days=30)
    assert not world.plan().has_changes
    assert snapshots(world) == ["s"]


def test_a_plan_that_looks_ahead_says_what_will_have_expired(world: World) -> None:
    at = world.clock.now() + timedelta(days=3)
    assert world.plan().warnings == ()
    (told,) = world.plan(at=at).warnings
    assert told.address == "Snapshot/s"
    assert "expires on" in told.summary
    world.clock.advance(days=3)
    (told,) = world.plan().warnings
    assert "an apply after that removes it" in told.summary


def test_an_apply_removes_what_has_expired_says_so_and_settles(world: World) -> None:
    world.clock.advance(days=2)
    assert "Expired, and removed: snapshot s (dw)." in world.apply()
    assert snapshots(world) == []
    assert not world.plan().has_changes
    assert "Expired" not in world.apply()


def test_an_apply_removes_nothing_before_its_time(world: World) -> None:
    world.clock.advance(days=1, hours=23)
    assert "Expired" not in world.apply()
    assert snapshots(world) == ["s"]


def test_a_kept_snapshot_that_has_expired_is_forgotten_and_frees_its_key(world: World) -> None:
    world.declare(PROVIDERS)
    world.apply()  # the cluster may go; its snapshot is protected and stays, and so does the key that it needs
    assert standing(world) == {"Cluster/c": "retained", "Key/one": "retained", "Snapshot/s": "retained"}
    world.clock.advance(days=2)
    world.apply()
    assert standing(world) == {"Key/one": "leaving"}
    assert snapshots(world) == []


def standing(world: World) -> dict[str, str]:
    with world.session() as session:
        return {str(row.address): str(row.standing) for row in session.reader.all()}


def test_a_broken_warehouse_keeps_only_what_needs_it_from_being_applied(world: World) -> None:
    for store in (world.folder / ".reconciler").rglob("catalogue.db"):
        store.write_bytes(b"no database")
    with world.session() as session:
        assert expire(session) == []
    with pytest.raises(DamagedStore):
        world.apply()
