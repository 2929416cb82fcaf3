"""What is kept for a time only goes when that is over, and only when an apply says so (SC1)."""

from __future__ import annotations

import pytest

from reconciler_warehouse.tests.worlds import NONE, OWNED, THERE, World, silent


@pytest.fixture(name="kept")
def with_snapshots(world: World) -> World:
    """A cluster under k1 with rows, a snapshot for two days, one for ever, and the first one copied for a day."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    warehouse, there = world.warehouse(), world.warehouse(THERE)
    warehouse.create_snapshot(world.caller, "sales", "short", retention_days=2, token="short")
    warehouse.create_snapshot(world.caller, "sales", "kept", retention_days=None, token="kept")
    there.create_snapshot_copy_grant(world.caller, "landing", world.key("far", THERE), token="landing")
    warehouse.enable_snapshot_copy(world.caller, "sales", there, grant="landing", retention_days=1)
    warehouse.copy_snapshot(world.caller, "short", there, progress=silent, token="copy")
    return world


def names(world: World, region: str | None = None) -> list[str]:
    warehouse = world.warehouse() if region is None else world.warehouse(region)
    return [found.name for found in warehouse.describe_snapshots(world.caller)]


def test_nothing_goes_before_its_time(kept: World) -> None:
    kept.clock.advance(days=1, hours=23)
    assert kept.warehouse().expire() == []
    assert names(kept) == ["kept", "short"]


def test_it_goes_when_its_time_is_over_and_once(kept: World) -> None:
    kept.clock.advance(days=2)
    assert kept.warehouse().expire() == ["short"]
    assert kept.warehouse().expire() == []
    assert names(kept) == ["kept"]


def test_a_copy_has_a_time_of_its_own(kept: World) -> None:
    kept.clock.advance(days=1)
    assert (kept.warehouse(THERE).expire(), kept.warehouse().expire()) == (["short"], [])
    assert (names(kept, THERE), names(kept)) == ([], ["kept", "short"])


def test_looking_removes_nothing(kept: World) -> None:
    kept.clock.advance(days=30)
    kept.warehouse().key_uses()
    kept.warehouse().describe_clusters(kept.caller)
    assert names(kept) == ["kept", "short"]


def test_what_goes_lets_go_of_its_key(kept: World) -> None:
    key = str(kept.key("k1").key_arn)
    assert [use.expires_at is None for use in kept.warehouse().key_uses(key) if use.name == "short"] == [False]
    kept.warehouse().delete_cluster(kept.caller, "sales")
    kept.clock.advance(days=2)
    kept.warehouse().expire()
    assert [use.name for use in kept.warehouse().key_uses(key)] == ["kept"]
    kept.warehouse().delete_snapshot(kept.caller, "kept")
    assert kept.warehouse().key_uses(key) == []
    assert kept.keys().list_grants(kept.caller, key) == []


def test_a_grant_that_could_not_be_retired_is_retired_by_the_next_apply(world: World) -> None:
    key = str(world.key("k1").key_arn)
    world.create(world.key("k1"))
    (grant,) = world.keys().list_grants(world.caller, key)
    with_ring = world.warehouse()._site.keyring
    with with_ring.write() as ring:
        ring.execute("INSERT INTO retiring (grant_id, key_arn) VALUES (?, ?)", (grant.grant_id, key))
    assert world.warehouse().expire() == []
    assert world.keys().list_grants(world.caller, key) == [grant], "it is in use after all"
    with with_ring.read() as ring:
        assert ring is not None
        assert ring.execute("SELECT count(*) FROM retiring").fetchone() == (0,)


def test_an_automated_snapshot_is_kept_for_a_day(world: World) -> None:
    world.create(NONE)
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="on")
    (taken,) = world.warehouse().describe_snapshots(world.caller)
    world.clock.advance(days=1)
    assert world.warehouse().expire() == [taken.name]


def test_a_warehouse_that_was_never_used_makes_nothing(world: World) -> None:
    assert world.warehouse().expire() == []
    assert not world.folder().exists()
