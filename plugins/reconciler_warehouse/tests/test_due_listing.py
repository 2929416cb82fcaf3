"""What is listed as due is what the next apply does, no more and no less; and then nothing is listed (RE2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from reconciler.errors import ThrottlingException
from reconciler.model.due_work import DueWork
from reconciler.providers.data import ListsDueWork
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.test_given_up import Stops
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent, stopped_half_way

HOURLY = SnapshotSchedule(every=timedelta(hours=1), retention=timedelta(days=2))
DAY = timedelta(days=1)
TOLD: dict[str, str] = {
    r"Snapshot (\S+) is removed for good: its retention is over\.": r"Snapshot {} was removed: its retention is over\.",
    r"A snapshot of cluster (\S+) is taken by schedule\.": r"Snapshot rs:{}-\S+ was taken by schedule\.",
    r"Snapshot (\S+ is copied to \S+)\.": r"Snapshot {}\.",
    r"That snapshot of cluster (\S+) is copied to \S+\.": r"Snapshot rs:{}-\S+ was copied to \S+\.",
    r"Cluster (\S+) becomes inaccessible-kms-key and is backed up.*": r"Cluster {} is inaccessible-kms-key: .*",
    r"Cluster (\S+) is available again.*": r"Cluster {} is available again\.",
    r"Cluster (\S+) waited in vain until .*": r"Cluster {}: its time was over on .*",
    r"Cluster (\S+) is given up .*": r"Cluster {} was released; .*",
    r"Cluster (\S+) is not given up, .*": r"Cluster {}: its sealed backup is not whole, .*",
    r"Cluster (\S+): the change that was begun .*": r"Cluster {}: the change that was interrupted is complete\.",
    r"Table (\S+ of cluster \S+) is compacted\.": r"Table {} was compacted: .*",
}
"""What is listed → what is told of it when it was done."""


def listed(world: World, at: datetime | None = None, region: str = HERE) -> list[DueWork]:
    return world.warehouse(region).due_work(world.caller, at=at or world.clock.now())


def done(world: World, region: str = HERE) -> list[str]:
    """What an apply does: before its plan, and after it."""
    warehouse = world.warehouse(region)
    told = [f"Snapshot {name} was removed: its retention is over." for name in warehouse.expire()]
    for _ in range(2):
        told += warehouse.do_due_work(world.caller, progress=silent)
    return told


def expected(one: DueWork) -> str:
    """The pattern of what is told when it was done."""
    for what, told in TOLD.items():
        found = re.fullmatch(what, one.what)
        if found is not None:
            return told.format(re.escape(found[1]).replace(r"is\ copied", "was copied").replace(r"\ ", " "))
    pytest.fail(f"nobody knows what becomes of: {one.what}")


def agree(listing: list[DueWork], told: list[str]) -> None:
    """Each that was listed was done, and each that was done was listed."""
    left = list(told)
    for one in listing:
        found = next((sentence for sentence in left if re.fullmatch(expected(one), sentence)), None)
        assert found is not None, f"not done: {one.what} Done: {left}"
        left.remove(found)
    assert left == [], "done, and was not listed"


def keys(world: World, name: str = "k1") -> str:
    return str(world.key(name).key_arn)


def sealed(world: World) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))


def scheduled(world: World) -> None:
    sealed(world)
    world.warehouse().set_snapshot_schedule(world.caller, "sales", HOURLY)
    world.clock.advance(hours=3)


def copied(world: World) -> None:
    sealed(world)
    there = world.warehouse(THERE)
    there.create_snapshot_copy_grant(world.caller, "landing", world.key("far", THERE), token="landing")
    world.warehouse().enable_snapshot_copy(world.caller, "sales", there, grant="landing", retention_days=1)
    world.warehouse().set_snapshot_schedule(world.caller, "sales", HOURLY)
    world.warehouse().create_snapshot(world.caller, "sales", "by-hand", retention_days=1, token="m")
    world.clock.advance(hours=1)


def copying_what_is_over(world: World) -> None:
    copied(world)
    world.clock.advance(hours=23)


def over(world: World) -> None:
    sealed(world)
    for name, days in (("one", 1), ("two", 2), ("kept", None)):
        world.warehouse().create_snapshot(world.caller, "sales", name, retention_days=days, token=name)
    world.clock.advance(days=2)


def lost(world: World) -> None:
    scheduled(world)
    world.create(OWNED, "other", "other")
    world.warehouse().set_snapshot_schedule(world.caller, "other", HOURLY)
    world.clock.advance(hours=1)
    world.keys().disable_key(world.caller, keys(world))


def no_longer_granted(world: World) -> None:
    sealed(world)
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    world.keys().revoke_grant(world.caller, keys(world), str(found.grant_id))


def back(world: World) -> None:
    lost(world)
    done(world)
    world.clock.advance(hours=1)
    world.keys().enable_key(world.caller, keys(world))


def back_while_copying(world: World) -> None:
    copied(world)
    world.keys().disable_key(world.caller, keys(world))
    done(world)
    world.keys().enable_key(world.caller, keys(world))


def time_is_over(world: World) -> None:
    sealed(world)
    world.keys().disable_key(world.caller, keys(world))
    done(world)
    world.clock.advance(days=14)


def given_up(world: World) -> None:
    time_is_over(world)
    done(world)
    world.clock.advance(hours=1)


def not_whole(world: World) -> None:
    given_up(world)
    with world.warehouse()._site.catalogue.write() as catalogue:
        catalogue.execute("DELETE FROM snapshot_load")
        catalogue.execute("UPDATE cluster SET manifest_version = manifest_version + 1")


def interrupted(world: World) -> None:
    scheduled(world)
    stopping = opened(world.home, world.files)
    stopping.clock = world.clock
    stopping.wrap_keys = lambda inner: failing_provider(inner, Stops("generate_data_key", 0))
    with pytest.raises(ThrottlingException):
        stopping.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
    stopping.reopen()


def encrypting(world: World) -> None:
    world.create(NONE)
    world.load(world.file("a.csv"))
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=9)
    world.reopen()
    with stopped_half_way(world):
        world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="on")


def small_segments(world: World) -> None:
    sealed(world)
    for number in range(20):
        world.load(world.file(f"{number}.csv", f"id,tail,delay\n{number},x,1.5\n"))


CASES: dict[str, tuple[Callable[[World], None], list[str]]] = {
    "nothing": (lambda world: None, []),
    "nothing yet": (sealed, []),
    "a snapshot by schedule": (scheduled, ["cluster sales"]),
    "a copy of what is there, and of what is taken then": (
        copied,
        ["cluster sales", "snapshot by-hand", "cluster sales"],
    ),
    "what is over is not copied": (copying_what_is_over, ["snapshot by-hand", "cluster sales", "cluster sales"]),
    "snapshots that are over": (over, ["snapshot one", "snapshot two"]),
    "a lost root key, and of another cluster a snapshot": (lost, ["cluster sales", "cluster other"]),
    "a root key that is granted no more": (no_longer_granted, ["cluster sales"]),
    "a root key that is back": (back, ["cluster sales", "cluster other", "cluster sales"]),
    "back, and its snapshots are copied": (
        back_while_copying,
        ["cluster sales", "cluster sales", "snapshot by-hand", "cluster sales"],
    ),
    "its time is over": (time_is_over, ["cluster sales"]),
    "given up": (given_up, ["cluster sales"]),
    "not given up without a whole backup": (not_whole, ["cluster sales", "cluster sales"]),
    "a rotation that was interrupted, and a snapshot": (interrupted, ["cluster sales", "cluster sales"]),
    "an encryption that was interrupted, and its first snapshot's copy": (
        encrypting,
        ["cluster sales", "cluster sales"],
    ),
    "small segments": (small_segments, ["cluster sales"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_listed_is_what_is_done_and_then_nothing_is(world: World, case: str) -> None:
    prepare, what = CASES[case]
    prepare(world)
    world.reopen()
    listing = listed(world)
    assert sorted(f"{one.kind} {one.name}" for one in listing) == sorted(what)
    assert listed(world) == listing, "listing does nothing"
    agree(listing, done(world))
    assert listed(world) == []


REMOVING = {"snapshots that are over", "what is over is not copied", "given up"}


@pytest.mark.parametrize("case", CASES)
def test_only_what_cannot_be_undone_is_marked_and_has_its_deadline(world: World, case: str) -> None:
    CASES[case][0](world)
    marked = [one for one in listed(world) if one.removes_data]
    assert bool(marked) is (case in REMOVING)
    assert all(one.since is not None and one.since <= world.clock.now() for one in marked)


def test_a_change_that_the_caller_takes_up_is_left_out_and_what_follows_of_it_is_not(world: World) -> None:
    interrupted(world)
    begun, snapshot = listed(world)
    assert "the change that was begun" in begun.what
    assert world.warehouse().due_work(world.caller, at=world.clock.now(), leave=["sales"]) == [snapshot]


def test_it_looks_ahead(world: World) -> None:
    """As ``plan --at`` does: what is due then, if nobody applies before."""
    over(world)
    now = world.clock.now()
    world.clock.advance(days=-2)
    assert listed(world) == []
    assert [one.name for one in listed(world, now - DAY)] == ["one"]
    assert [one.name for one in listed(world, now)] == ["one", "two"]


def test_an_unsure_root_key_is_not_called_lost(world: World) -> None:
    no_longer_granted(world)
    (one,) = listed(world)
    assert "if its root key" in one.what


def test_a_cluster_that_is_given_up_may_be_saved_by_a_key_that_nobody_can_ask_now(world: World) -> None:
    given_up(world)
    world.wrap_keys = lambda inner: failing_provider(inner, Stops("describe_keys", 0))
    world.reopen()
    (one,) = listed(world)
    assert one.removes_data
    assert "unless its root key" in one.what


def test_listing_uses_no_key_and_asks_once_how_they_are(world: World) -> None:
    scheduled(world)
    world.create(world.key("k2"), "more", "more")
    world.reopen()
    asked = Fault(AssertionError)
    world.wrap_keys = lambda inner: failing_provider(inner, asked)
    assert isinstance(world.warehouse(), ListsDueWork)
    assert listed(world)
    assert asked.calls == ["describe_keys"]


def test_a_warehouse_that_was_never_used_lists_nothing_and_makes_nothing(world: World) -> None:
    assert listed(world) == []
    assert not world.folder().exists()
