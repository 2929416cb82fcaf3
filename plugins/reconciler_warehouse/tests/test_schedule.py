"""Automated snapshots by schedule, and what else comes due by itself (SC1, SC2, RE2, RE10)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from reconciler.errors import ResourceNotFoundException, ValidationException
from reconciler.providers.data import SnapshotDescription
from reconciler.providers.warehouse import ClusterEvent, DoesDueWork, SchedulesSnapshots, SnapshotSchedule
from reconciler_warehouse.status import RESIZING
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent

HOURLY = SnapshotSchedule(every=timedelta(hours=1), retention=timedelta(days=2))
SEPARATOR = "; "


@pytest.fixture
def sales(world: World) -> World:
    """A cluster under k1 with rows, whose snapshots are taken every hour and kept for two days."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.warehouse().set_snapshot_schedule(world.caller, "sales", HOURLY)
    return world


def due(world: World, region: str = HERE) -> list[str]:
    return world.warehouse(region).do_due_work(world.caller, progress=silent)


def snapshots(world: World, region: str = HERE) -> list[SnapshotDescription]:
    return world.warehouse(region).describe_snapshots(world.caller)


def errors(world: World) -> list[str]:
    return [one.message for one in world.warehouse().events("sales") if one.severity == "ERROR"]


def test_it_does_both(world: World) -> None:
    assert isinstance(world.warehouse(), SchedulesSnapshots)
    assert isinstance(world.warehouse(), DoesDueWork)


def test_the_first_is_due_one_period_after_the_schedule_was_set_and_taken_once(sales: World) -> None:
    assert due(sales) == []
    sales.clock.advance(minutes=59)
    assert due(sales) == []
    sales.clock.advance(minutes=1)
    (told,) = due(sales)
    (taken,) = snapshots(sales)
    assert taken.name in told
    assert (taken.kind, taken.cluster, taken.root) == ("automated", "sales", sales.key("k1"))
    assert taken.expires_at == taken.created_at + HOURLY.retention
    assert due(sales) == []
    sales.reopen()
    assert due(sales) == []


def test_after_a_pause_one_is_taken_and_the_next_is_due_when_it_would_have_been(sales: World) -> None:
    sales.clock.advance(hours=5, minutes=20)
    assert len(due(sales)) == 1
    sales.clock.advance(minutes=39)
    assert due(sales) == []
    sales.clock.advance(minutes=1)
    assert len(due(sales)) == 1
    assert len(snapshots(sales)) == 2


def test_each_goes_when_its_own_retention_is_over(sales: World) -> None:
    for _ in range(3):
        sales.clock.advance(hours=24)
        due(sales)
    assert len(snapshots(sales)) == 2
    assert all(one.expires_at is not None and one.expires_at > sales.clock.now() for one in snapshots(sales))


def test_describing_tells_the_schedule(sales: World) -> None:
    (found,) = sales.warehouse().describe_clusters(sales.caller, ["sales"])
    assert found.schedule == HOURLY
    sales.warehouse().set_snapshot_schedule(sales.caller, "sales", None)
    (found,) = sales.warehouse().describe_clusters(sales.caller, ["sales"])
    assert found.schedule is None


def test_without_a_schedule_none_is_taken_and_those_that_are_stay(sales: World) -> None:
    sales.clock.advance(hours=1)
    due(sales)
    sales.warehouse().set_snapshot_schedule(sales.caller, "sales", None)
    sales.clock.advance(hours=5)
    assert due(sales) == []
    assert len(snapshots(sales)) == 1


def test_a_changed_period_counts_from_the_last_one(sales: World) -> None:
    sales.clock.advance(hours=1, minutes=30)
    due(sales)
    shorter = SnapshotSchedule(every=timedelta(minutes=20), retention=timedelta(days=1))
    sales.warehouse().set_snapshot_schedule(sales.caller, "sales", shorter)
    assert len(due(sales)) == 1, "the last was due half an hour ago"
    sales.clock.advance(minutes=9)
    assert due(sales) == []


def test_the_same_schedule_again_changes_nothing(sales: World) -> None:
    (before,) = sales.warehouse().describe_clusters(sales.caller, ["sales"])
    sales.clock.advance(minutes=30)
    sales.warehouse().set_snapshot_schedule(sales.caller, "sales", HOURLY)
    assert sales.warehouse().describe_clusters(sales.caller, ["sales"]) == [before]
    assert before.manifest is not None
    sales.clock.advance(minutes=30)
    assert len(due(sales)) == 1


@pytest.mark.parametrize(
    ("every", "retention"), [(0, 3600), (-60, 3600), (59, 3600), (3600, 0), (3600, -1), (10**9, 3600), (3600, 10**9)]
)
def test_a_schedule_that_makes_no_sense_is_refused(sales: World, every: int, retention: int) -> None:
    wanted = SnapshotSchedule(every=timedelta(seconds=every), retention=timedelta(seconds=retention))
    with pytest.raises(ValidationException, match="between"):
        sales.warehouse().set_snapshot_schedule(sales.caller, "sales", wanted)


def test_of_a_cluster_that_is_not_there_it_is_not_found(world: World) -> None:
    with pytest.raises(ResourceNotFoundException):
        world.warehouse().set_snapshot_schedule(world.caller, "sales", HOURLY)


def test_a_warehouse_that_was_never_used_makes_nothing(world: World) -> None:
    assert due(world) == []
    assert not world.folder().exists()


def test_a_region_that_only_ever_had_copy_grants_gets_no_catalogue_by_looking(world: World) -> None:
    there = world.warehouse(THERE)
    there.create_snapshot_copy_grant(world.caller, "landing", world.key("k", THERE), token="grant")
    assert due(world, THERE) == []
    assert not (world.folder(THERE) / "catalogue.db").exists()


def test_none_is_taken_while_the_cluster_is_changed(sales: World) -> None:
    """RE10: no backup before it is fully encrypted."""
    with sales.warehouse()._site.catalogue.write() as catalogue:
        catalogue.execute("UPDATE cluster SET status = ?", (RESIZING,))
    sales.clock.advance(hours=1)
    assert due(sales) == []
    with sales.warehouse()._site.catalogue.write() as catalogue:
        catalogue.execute("UPDATE cluster SET status = 'available'")
    assert len(due(sales)) == 1


def test_a_lost_root_key_is_told_once_and_keeps_nothing_else_from_being_done(sales: World) -> None:
    sales.create(OWNED, "other", "other")
    sales.warehouse().set_snapshot_schedule(sales.caller, "other", HOURLY)
    keys, key = sales.keys(), str(sales.key("k1").key_arn)
    keys.disable_key(sales.caller, key)
    sales.clock.advance(hours=1)
    assert len(due(sales)) == 2
    assert [one.cluster for one in snapshots(sales) if one.kind == "automated"] == ["other"]
    due(sales)
    (told,) = errors(sales)
    assert "inaccessible-kms-key" in told
    assert key in told
    keys.enable_key(sales.caller, key)
    assert len(due(sales)) == 2


def test_a_renamed_cluster_keeps_its_schedule(sales: World) -> None:
    sales.warehouse().rename_cluster(sales.caller, "sales", "shop", token="x")
    sales.clock.advance(hours=1)
    due(sales)
    assert [one.cluster for one in snapshots(sales)] == ["shop"]


def test_a_row_that_somebody_changed_leaves_no_cluster_without_backups(sales: World) -> None:
    with sales.warehouse()._site.catalogue.write() as catalogue:
        catalogue.execute("UPDATE cluster SET snapshot_retention = 60")
    sales.clock.advance(hours=1)
    assert due(sales) == []
    (told,) = errors(sales)
    assert "changed outside" in told


@pytest.fixture
def copying(sales: World) -> World:
    """Its snapshots go to the other Region, where they are kept for a day."""
    there = sales.warehouse(THERE)
    there.create_snapshot_copy_grant(sales.caller, "landing", sales.key("far", THERE), token="landing")
    sales.warehouse().create_snapshot(sales.caller, "sales", "early", retention_days=None, token="early")
    sales.clock.advance(minutes=1)
    sales.warehouse().enable_snapshot_copy(sales.caller, "sales", there, grant="landing", retention_days=1)
    return sales


def test_new_snapshots_are_copied_while_copying_is_on(copying: World) -> None:
    copying.clock.advance(hours=1)
    taken, copied = due(copying)
    (copy,) = snapshots(copying, THERE)
    assert (copy.kind, copy.source_region, copy.root) == ("automated", HERE, copying.key("far", THERE))
    assert copy.name in taken
    assert copy.name in copied
    assert copy.expires_at == copy.created_at + timedelta(days=1)
    copying.warehouse().create_snapshot(copying.caller, "sales", "by-hand", retention_days=None, token="m")
    assert len(due(copying)) == 1
    assert [one.name for one in snapshots(copying, THERE)] == ["by-hand", copy.name]
    assert due(copying) == []


def test_retention_there_is_apart_and_what_is_over_there_is_not_copied_again(copying: World) -> None:
    copying.clock.advance(hours=1)
    due(copying)
    copying.warehouse().set_snapshot_schedule(copying.caller, "sales", None)
    copying.clock.advance(days=1)
    assert len(due(copying, THERE)) == 1
    assert snapshots(copying, THERE) == []
    assert due(copying) == []
    assert next(one.name for one in snapshots(copying)) == "early"
    assert len(snapshots(copying)) == 2


def test_no_longer_copied_none_goes(copying: World) -> None:
    copying.warehouse().disable_snapshot_copy(copying.caller, "sales")
    copying.clock.advance(hours=1)
    assert len(due(copying)) == 1
    assert snapshots(copying, THERE) == []


def test_a_destination_that_cannot_be_reached_is_told_once_and_gets_it_later(copying: World) -> None:
    copying.out_of_reach.add(f"warehouse-{THERE}")
    copying.clock.advance(hours=1)
    assert len(due(copying)) == 1
    assert due(copying) == []
    (told,) = errors(copying)
    assert f"was not copied to {THERE}" in told
    copying.out_of_reach.clear()
    assert len(due(copying)) == 1
    assert len(snapshots(copying, THERE)) == 1


def test_a_snapshot_from_before_the_encryption_is_not_sent_in_clear_by_itself(world: World) -> None:
    world.create(NONE)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=9)
    world.warehouse().create_snapshot(world.caller, "sales", "plain", retention_days=None, token="p")
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="on")
    due(world)
    assert [one.root for one in snapshots(world, THERE)] == [OWNED] * len(snapshots(world, THERE))
    assert "plain" not in [one.name for one in snapshots(world, THERE)]


def messages(events: Iterable[ClusterEvent]) -> str:
    return SEPARATOR.join(one.message for one in events)


def test_what_happened_is_told(copying: World) -> None:
    copying.clock.advance(hours=1)
    due(copying)
    copying.clock.advance(days=2)
    due(copying)
    told = messages(copying.warehouse().events("sales", limit=50))
    for part in (
        "are taken every 1h and kept for 2d",
        f"are copied to {THERE} from now on",
        "The automated snapshot rs:sales-",
        f"was copied to {THERE} and verified there",
        "its retention being over",
    ):
        assert part in told
