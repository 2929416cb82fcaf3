"""Other keys for a cluster in an HSM, and other roots: rotation, switches, moves of partition (HS6, RE2, RO1)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing

import pytest

from reconciler.errors import (
    ConflictException,
    HsmError,
    HsmFault,
    HsmUnavailable,
    LockHeld,
)
from reconciler.providers.data import Root
from reconciler.testing.fence_contract import NEWEST, STALE, Writer, kept
from reconciler_warehouse.tests.hsm_worlds import ALL, COUNT, Looks, arn, asked, described, fits, loaded, modify, rotate
from reconciler_warehouse.tests.test_fencing import site_of, warehouse_of
from reconciler_warehouse.tests.worlds import NONE, OWNED, World, silent

# --- rotating ---------------------------------------------------------------------------------------------------------


def test_rotation_makes_keys_in_the_token_and_proves_them_before_the_old_are_retired(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    before, files = described(world), world.data_files()
    calls: list[str] = []
    world.hsm().before = calls.append
    rotate(world)
    world.hsm().before = lambda call: None
    after = described(world)
    assert after.cek_id != before.cek_id and after.dek_id != before.dek_id
    assert world.data_files() == files
    last = len(calls) - calls[::-1].index("wrap_data_key")
    assert calls.index("retire_cluster_key") > last
    assert "unwrap_data_key" in calls[last : calls.index("retire_cluster_key")]
    assert calls.count("create_cluster_key") == 2  # the cluster's, and its snapshot's (RO1)
    assert [one.key_id for one in world.warehouse().retired_cluster_keys()] == [before.cek_id]
    assert before.cek_id in world.hsm().objects(arn(root))  # destroyed by name only
    assert world.select(COUNT) == ALL
    fits(world)


def test_a_retired_key_goes_only_by_name_and_only_when_nothing_is_under_it(world: World) -> None:
    root = world.partition()
    loaded(world, root)
    old = described(world).cek_id
    assert world.warehouse().destroy_retired_cluster_keys(world.caller, [old]) == []  # it is not retired
    rotate(world)
    world.reopen()
    assert world.warehouse().destroy_retired_cluster_keys(world.caller, []) == []
    assert old in world.hsm().objects(arn(root))
    assert world.warehouse().destroy_retired_cluster_keys(world.caller, [old]) == [old]
    assert old not in world.hsm().objects(arn(root))
    assert world.warehouse().destroy_retired_cluster_keys(world.caller, [old]) == []
    assert world.select(COUNT) == ALL
    fits(world)


def test_a_key_that_something_is_under_stays_whatever_its_row_says(world: World) -> None:
    """What goes from a token is in no backup: a row that was changed from outside destroys nothing."""
    loaded(world, world.partition())
    with site_of(world.warehouse()).keyring.write() as written:
        written.execute("UPDATE cluster_key SET let_go = 1, taken = 0")
    world.warehouse().clear_up()
    assert [one.retired_at for one in world.hsm().describe_cluster_keys(world.caller)] == [None]
    assert world.select(COUNT) == ALL
    rotate(world)
    assert world.select(COUNT) == ALL


def test_a_retired_key_that_went_with_its_partition_is_forgotten(world: World) -> None:
    loaded(world, world.partition("a"))
    modify(world, OWNED)
    (old,) = [one.key_id for one in world.warehouse().retired_cluster_keys()]
    world.hsm().remove(arn(world.partition("a")))
    assert world.warehouse().destroy_retired_cluster_keys(world.caller, [old]) == [old]
    assert world.warehouse().retired_cluster_keys() == []


def test_a_backup_of_the_key_ring_from_before_a_rotation_still_opens(world: World) -> None:
    loaded(world, world.partition())
    world.reopen()
    copy = world.files / "backup"
    shutil.copytree(world.folder(), copy)
    rotate(world)
    world.reopen()
    shutil.rmtree(world.folder())
    shutil.copytree(copy, world.folder())
    assert world.select(COUNT) == ALL


def test_a_key_that_waits_to_be_retired_is_when_the_hsm_answers_again(world: World) -> None:
    root = world.partition()
    loaded(world, root)

    def down(call: str) -> None:
        if call == "retire_cluster_key":
            raise HsmUnavailable("down", fault=HsmFault.UNREACHABLE)

    world.hsm().before = down
    old = described(world).cek_id
    rotate(world)
    assert world.warehouse().retired_cluster_keys() == []
    world.reopen()
    world.hsm().before = lambda call: None
    world.warehouse().expire()
    assert [one.key_id for one in world.warehouse().retired_cluster_keys()] == [old]


# --- another root -----------------------------------------------------------------------------------------------------


ROOTS: dict[str, Callable[[World], Root]] = {
    "none": lambda world: NONE,
    "owned": lambda world: OWNED,
    "k1": lambda world: world.key("k1"),
    "a": lambda world: world.partition("a"),
    "b": lambda world: world.partition("b"),
}
SWITCHES = [("none", "a"), ("a", "none"), ("owned", "a"), ("a", "owned"), ("k1", "a"), ("a", "k1"), ("a", "b")]


@pytest.mark.parametrize(("start", "end"), SWITCHES, ids=[f"{start} to {end}" for start, end in SWITCHES])
def test_from_any_root_to_any(world: World, start: str, end: str) -> None:
    before, after = ROOTS[start](world), ROOTS[end](world)
    loaded(world, before)
    for _ in range(2):
        assert modify(world, after).root == after
    assert world.select(COUNT) == ALL
    (snap,) = [one for one in world.warehouse().describe_snapshots(world.caller) if one.name == "snap"]
    follows = NONE not in (before, after)
    assert snap.root == (after if follows else before)
    used = {use.key_arn for use in world.warehouse().key_uses()}
    assert ((before.partition or before.key_arn) in used) is (not follows and before is not NONE)
    world.reopen()
    proof = list(world.warehouse().prove_snapshot(world.caller, "snap", snap.root, Looks()))
    assert [check.failure for check in proof if check.failure] == []
    if after is not NONE:
        rotate(world)
    assert world.select(COUNT) == ALL
    fits(world)


def test_a_switch_wraps_each_database_key_once_however_many_snapshots_hold_it(world: World) -> None:
    loaded(world, world.key("k1"))
    for number in range(3):
        name = f"more-{number}"
        world.warehouse().create_snapshot(world.caller, "sales", name, retention_days=None, token=name)
    root = world.partition()
    calls = asked(world, lambda: modify(world, root))
    assert calls.count("create_cluster_key") == 1
    assert calls.count("wrap_data_key") == 1
    assert len(world.hsm().objects(arn(root))) == 1


def test_snapshots_from_before_a_rotation_keep_their_own_database_key_through_a_switch(world: World) -> None:
    loaded(world, world.partition("a"))
    rotate(world)
    world.warehouse().create_snapshot(world.caller, "sales", "later", retention_days=None, token="later")
    modify(world, world.partition("b"))
    for name in ("snap", "later"):
        proof = list(world.warehouse().prove_snapshot(world.caller, name, world.partition("b"), Looks()))
        assert [check.failure for check in proof if check.failure] == []
    fits(world)


def test_a_target_that_is_not_fit_changes_nothing(world: World) -> None:
    first, second = world.partition("a"), world.partition("b")
    loaded(world, first)
    for away in (world.hsm().away, world.hsm().unfit):
        away.add(arn(second))
        with pytest.raises(HsmError):
            modify(world, second)
        away.clear()
        assert described(world).status == "available"
    assert described(world).root == first
    assert world.hsm().objects(arn(second)) == set()


def test_a_target_that_goes_away_for_good_in_the_middle_does_not_stand_in_the_way(world: World) -> None:
    first, second = world.partition("a"), world.partition("b")
    loaded(world, first)

    def die(call: str) -> None:
        if call == "wrap_data_key":
            world.hsm().away.add(arn(second))

    world.hsm().before = die
    with pytest.raises(HsmUnavailable):
        modify(world, second)
    world.hsm().before = lambda call: None
    world.reopen()
    assert world.select(COUNT) == ALL
    rotate(world)  # gives the switch up
    assert described(world).root == first
    world.hsm().away.clear()
    world.reopen()
    world.warehouse().clear_up()
    assert world.hsm().objects(arn(second)) == set()
    fits(world)


# --- by its connection only (HS6) -------------------------------------------------------------------------------------


def replicated(world: World) -> tuple[Root, Root]:
    """A cluster in partition a, whose keys the vendor's tools copied to b."""
    first, second = world.partition("a"), world.partition("b")
    loaded(world, first)
    objects = world.hsm().lose(arn(first))
    world.hsm().put_back(arn(first), objects)
    world.hsm().put_back(arn(second), objects)
    world.hsm().connection_only.add(arn(second))
    return first, second


def test_keys_that_were_replicated_are_taken_as_they_are(world: World) -> None:
    first, second = replicated(world)
    before = described(world)
    world.hsm().away.add(arn(first))  # it burned down, which is why
    calls = asked(world, lambda: modify(world, second))
    assert set(calls) == {"verify_partition", "adopt_cluster_key"}
    after = described(world)
    assert (after.root, after.cek_id, after.dek_id) == (second, before.cek_id, before.dek_id)
    assert not after.keys_verified
    assert world.select(COUNT) == ALL
    assert not described(world).keys_verified  # who only asks writes nothing
    world.load(world.file("b.csv", "id,tail,delay\n1,a,1.5\n"))
    assert described(world).keys_verified
    (snap,) = world.warehouse().describe_snapshots(world.caller)
    assert snap.root == second


def test_a_key_that_was_not_replicated_fails_the_restart_and_can_be_gone_back_from(world: World) -> None:
    first, second = replicated(world)
    world.hsm().lose(arn(second))
    modify(world, second)
    with pytest.raises(HsmError, match="Cluster sales cannot be opened") as refused:
        world.select(COUNT)
    assert "verify: connection-only" in str(refused.value.suggestion)
    assert world.hsm().objects(arn(second)) == set()
    assert not described(world).keys_verified
    world.hsm().connection_only.add(arn(first))
    modify(world, first, "back")
    assert world.select(COUNT) == ALL
    rotate(world)
    assert world.select(COUNT) == ALL


def test_a_replicated_key_is_not_destroyed_where_it_came_from_while_it_is_needed(world: World) -> None:
    first, second = replicated(world)
    key = described(world).cek_id
    modify(world, second)
    (retired,) = world.warehouse().retired_cluster_keys()
    assert (retired.key_id, retired.partition, retired.is_needed) == (key, arn(first), True)
    with pytest.raises(ConflictException, match="replicated"):
        world.warehouse().destroy_retired_cluster_keys(world.caller, [key])
    assert key in world.hsm().objects(arn(first))
    rotate(world)
    world.warehouse().delete_snapshot(world.caller, "snap")
    assert world.warehouse().destroy_retired_cluster_keys(world.caller, [key]) == [key]
    assert world.select(COUNT) == ALL


def test_a_key_that_is_retired_in_two_partitions_goes_from_the_one_that_is_named(world: World) -> None:
    first, second = replicated(world)
    key = described(world).cek_id
    modify(world, second)
    here = world.warehouse()
    assert here.needed_cluster_keys([key, "0" * 32]) == [key], "in whatever partition"
    rotate(world)
    here.delete_snapshot(world.caller, "snap")
    here.clear_up()
    assert here.needed_cluster_keys([key, described(world).cek_id]) == [described(world).cek_id]

    def retired_in() -> list[str]:
        return [one.partition for one in here.retired_cluster_keys() if one.key_id == key]

    assert retired_in() == sorted([arn(first), arn(second)])
    assert here.destroy_retired_cluster_keys(world.caller, [key], partition=arn(first)) == [key]
    assert retired_in() == [arn(second)]
    assert key not in world.hsm().objects(arn(first))
    assert key in world.hsm().objects(arn(second))
    assert world.select(COUNT) == ALL


def test_from_a_key_of_the_key_service_there_is_nothing_to_find_there(world: World) -> None:
    loaded(world, world.key("k1"))
    root = world.partition()
    world.hsm().connection_only.add(arn(root))
    modify(world, root)
    assert described(world).keys_verified
    assert world.select(COUNT) == ALL
    fits(world)


# --- who writes -------------------------------------------------------------------------------------------------------


def test_an_overtaken_process_retires_and_destroys_nothing(world: World) -> None:
    """I13: it is refused before any partition is asked."""
    loaded(world, world.partition())
    old = described(world).cek_id
    writer = Writer(NEWEST)
    with closing(warehouse_of(world, writer)) as here:
        here.rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
        with site_of(here).keyring.write() as ring_of:
            ring_of.execute("UPDATE cluster_key SET retired_at = NULL, let_go = 1 WHERE key_id = ?", (old,))
        writer.fence = STALE
        before = kept(world.folder())
        calls = len(world.hsm().operations)
        for change in (here.clear_up, lambda: here.destroy_retired_cluster_keys(world.caller, [old])):
            with pytest.raises(LockHeld):
                change()
        assert kept(world.folder()) == before
        assert len(world.hsm().operations) == calls
        writer.fence = NEWEST
        assert here.destroy_retired_cluster_keys(world.caller, [old]) == [old]
    fits(world)
