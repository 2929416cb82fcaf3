"""A cluster whose root key is lost waits for it, is available again by itself, or is released (RE8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from reconciler.errors import (
    AccessDeniedException,
    DisabledException,
    KMSInvalidStateException,
    NotFoundException,
    ReconcilerError,
)
from reconciler.providers.data import ClusterDescription, ClusterRequest
from reconciler.providers.warehouse import DoesDueWork, RootKeyState
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault
from reconciler_warehouse.tests.worlds import CSV, NONE, THERE, World, silent, stopped_half_way

QUESTION = "SELECT count(*) FROM flights"
DAYS = timedelta(days=1)


def arn(world: World, name: str = "k1") -> str:
    return str(world.key(name).key_arn)


def loaded(world: World) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.load(world.file("b.csv", CSV.replace("CANARY", "SECOND")), table="unsaved", backup=False)


def later(world: World, by: timedelta) -> None:
    world.clock.advance(seconds=by.total_seconds())


def described(world: World) -> ClusterDescription:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return found


def due(world: World) -> list[str]:
    warehouse = world.warehouse()
    assert isinstance(warehouse, DoesDueWork)
    return warehouse.do_due_work(world.caller, progress=silent)


def disable(world: World) -> None:
    world.keys().disable_key(world.caller, arn(world))


def enable(world: World) -> None:
    world.keys().enable_key(world.caller, arn(world))


def schedule(world: World) -> None:
    world.keys().schedule_key_deletion(world.caller, arn(world), waiting_days=30)


def cancel(world: World) -> None:
    world.keys().cancel_key_deletion(world.caller, arn(world))
    enable(world)


def revoke(world: World) -> None:
    world.keys().revoke_grant(world.caller, arn(world), str(described(world).grant_id))


def destroy(world: World) -> None:
    world.keys().schedule_key_deletion(world.caller, arn(world), waiting_days=7)
    later(world, 8 * DAYS)
    world.reopen()


LOSSES: dict[RootKeyState, tuple[Callable[[World], None], type[ReconcilerError]]] = {
    RootKeyState.DISABLED: (disable, DisabledException),
    RootKeyState.PENDING_DELETION: (schedule, KMSInvalidStateException),
    RootKeyState.ACCESS_REMOVED: (revoke, AccessDeniedException),
    RootKeyState.DESTROYED: (destroy, NotFoundException),
}


@pytest.mark.parametrize("cause", LOSSES, ids=str)
@pytest.mark.parametrize("found_by", ["due work", "a query"])
def test_a_lost_root_key_makes_it_inaccessible_with_a_sealed_backup(
    world: World, cause: RootKeyState, found_by: str
) -> None:
    loaded(world)
    lose, error = LOSSES[cause]
    lose(world)
    if found_by == "due work":
        assert "inaccessible-kms-key" in due(world)[0]
    with pytest.raises(error) as refused:
        world.select(QUESTION)
    found = described(world)
    assert found.status == "inaccessible-kms-key"
    lost = found.inaccessible
    assert lost is not None
    assert (lost.cause, lost.escrow_arn) == (cause, None)
    assert (lost.since, lost.deadline) == (world.clock.now(), world.clock.now() + 14 * DAYS)
    (backup,) = world.warehouse().describe_snapshots(world.caller)
    assert (backup.name, backup.root, backup.expires_at) == (lost.backup, found.root, None)
    assert backup.bytes == sum(one.bytes for one in found.tables)
    told = f"{refused.value.summary} {refused.value.suggestion}"
    for word in ("sales", str(found.root.key_arn), f"{lost.deadline:%Y-%m-%d}", str(lost.backup), "unrecoverable"):
        assert word in told
    assert due(world) == []
    assert len(world.warehouse().describe_snapshots(world.caller)) == 1


BACK = {RootKeyState.DISABLED: (disable, enable), RootKeyState.PENDING_DELETION: (schedule, cancel)}


@pytest.mark.parametrize("cause", BACK, ids=str)
@pytest.mark.parametrize("found_by", ["due work", "a query", "a load"])
def test_with_its_key_it_is_back_by_itself(world: World, cause: RootKeyState, found_by: str) -> None:
    loaded(world)
    lose, regain = BACK[cause]
    before = described(world)
    lose(world)
    due(world)
    regain(world)
    if found_by == "due work":
        assert due(world) == ["Cluster sales is available again."]
    if found_by == "a load":
        assert world.load(world.file("c.csv", "id,tail,delay\n1,x,2\n")).rows == 5001
    else:
        assert world.select(QUESTION) == [(5000,)]
        assert described(world) == before
    assert world.warehouse().describe_snapshots(world.caller) == []
    told = [one.message for one in world.warehouse().events("sales")]
    assert any("available again" in one for one in told)
    assert any("inaccessible-kms-key" in one for one in told)


def test_nothing_changes_it_and_no_snapshot_of_it_is_copied_meanwhile(world: World) -> None:
    loaded(world)
    warehouse = world.warehouse()
    warehouse.create_snapshot(world.caller, "sales", "before", retention_days=None, token="before")
    warehouse.enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    disable(world)
    due(world)
    calls: dict[str, Callable[[], object]] = {
        "load": lambda: world.load(world.file("c.csv")),
        "rotate": lambda: warehouse.rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate"),
        "switch": lambda: warehouse.modify_encryption(
            world.caller, "sales", world.key("k2"), progress=silent, token="switch"
        ),
        "rename": lambda: warehouse.rename_cluster(world.caller, "sales", "shop", token="rename"),
        "snapshot": lambda: warehouse.create_snapshot(world.caller, "sales", "now", retention_days=None, token="now"),
        "copy": lambda: warehouse.copy_snapshot(
            world.caller, "before", world.warehouse(THERE), progress=silent, token="copy"
        ),
    }
    files = world.data_files()
    for call in calls.values():
        with pytest.raises(DisabledException, match="inaccessible-kms-key"):
            call()
    assert world.data_files() == files
    assert world.warehouse(THERE).describe_snapshots(world.caller) == []
    assert described(world).status == "inaccessible-kms-key"
    enable(world)
    assert world.select(QUESTION) == [(5000,)]


def released(world: World) -> str:
    """The name of the backup of a cluster that waited in vain."""
    loaded(world)
    disable(world)
    due(world)
    backup = str(getattr(described(world).inaccessible, "backup", ""))
    later(world, 14 * DAYS)
    due(world)
    later(world, timedelta(hours=1))
    assert any("released" in one for one in due(world))
    return backup


def test_its_backup_is_called_the_same_at_each_loss(world: World) -> None:
    """So that whoever saw the first loss only is not sent to a backup that went when the key came back."""
    loaded(world)
    names: list[str] = []
    for _ in range(2):
        later(world, DAYS)
        disable(world)
        due(world)
        (kept,) = world.warehouse().describe_snapshots(world.caller)
        names.append(kept.name)
        enable(world)
        due(world)
        assert world.warehouse().describe_snapshots(world.caller) == []
    assert names[0] == names[1]
    later(world, DAYS)
    assert released(world) == names[0]


def test_when_its_time_is_over_it_is_released_and_its_backup_stays(world: World) -> None:
    backup = released(world)
    warehouse = world.warehouse()
    assert warehouse.describe_clusters(world.caller) == []
    (kept,) = warehouse.describe_snapshots(world.caller)
    assert (kept.name, kept.root) == (backup, world.key("k1"))
    assert [(use.what, use.name) for use in warehouse.key_uses(arn(world))] == [("snapshot", backup)]
    assert len(world.data_files()) == 2
    assert "released" in warehouse.events("sales")[0].message
    for _ in range(2):
        warehouse.delete_snapshot(world.caller, backup)
    assert (world.data_files(), warehouse.key_uses(arn(world))) == ({}, [])


def test_what_was_released_is_a_cluster_again_once_its_key_is_back(world: World) -> None:
    backup = released(world)
    enable(world)
    request = _request(world, "again", "k1")
    world.warehouse().restore_cluster(world.caller, request, backup, progress=silent, token="restore")
    assert world.select(QUESTION, "again") == [(5000,)]
    assert world.select("SELECT count(*) FROM unsaved", "again") == [(5000,)]
    (again,) = world.warehouse().describe_clusters(world.caller, ["again"])
    assert {one.name: one.backup for one in again.tables} == {"flights": True, "unsaved": False}


def _request(world: World, name: str, key: str) -> ClusterRequest:
    return ClusterRequest(name=name, node_type="ra3.large", nodes=1, database="dev", root=world.key(key))


def test_a_clock_that_jumps_releases_nothing_at_the_first_look(world: World) -> None:
    loaded(world)
    disable(world)
    due(world)
    later(world, 400 * DAYS)
    assert "it is released at the first look after" in due(world)[0]
    assert due(world) == []
    assert described(world).status == "inaccessible-kms-key"
    later(world, -399 * DAYS)
    assert due(world) == []
    later(world, 13 * DAYS)  # the deadline itself: the first look at it begins anew
    assert "it is released at the first look after" in due(world)[0]
    later(world, -14 * DAYS - timedelta(hours=5))
    due(world)
    later(world, 14 * DAYS + timedelta(hours=6))
    assert "it is released at the first look after" in due(world)[0]
    assert described(world).status == "inaccessible-kms-key"


def test_a_key_that_is_back_after_the_deadline_and_before_the_second_look_is_in_time(world: World) -> None:
    loaded(world)
    disable(world)
    due(world)
    later(world, 15 * DAYS)
    due(world)
    enable(world)
    later(world, 1 * DAYS)
    assert due(world) == ["Cluster sales is available again."]
    assert world.select(QUESTION) == [(5000,)]


def test_a_refusal_after_the_deadline_does_not_say_that_it_waits_until_then(world: World) -> None:
    loaded(world)
    disable(world)
    due(world)
    deadline = world.clock.now() + 14 * DAYS
    for days, says in ((13, "It waits for the key until"), (1, "Its time was over on")):
        later(world, days * DAYS)
        with pytest.raises(DisabledException) as refused:
            world.select(QUESTION)
        assert f"{says} {deadline:%Y-%m-%d %H:%M} UTC" in refused.value.summary


def test_how_its_key_is_lost_is_told_as_it_changes(world: World) -> None:
    loaded(world)
    disable(world)
    due(world)
    schedule(world)
    due(world)
    assert getattr(described(world).inaccessible, "cause", None) is RootKeyState.PENDING_DELETION
    assert "pending deletion" in world.warehouse().events("sales")[0].message


def test_a_change_that_was_under_way_goes_on_when_the_key_is_back(world: World) -> None:
    loaded(world)
    with stopped_half_way(world):
        world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
    world.reopen()
    assert described(world).status == "rotating-keys"
    disable(world)
    due(world)
    assert described(world).status == "inaccessible-kms-key"
    enable(world)
    told = due(world)
    assert told[0] == "Cluster sales is available again."
    assert "interrupted is complete" in told[1]
    assert described(world).status == "available"
    assert world.select(QUESTION) == [(5000,)]


def test_a_cluster_that_is_not_encrypted_waits_for_no_key(world: World) -> None:
    world.create(NONE)
    world.load(world.file("a.csv"))
    assert due(world) == []
    assert world.select(QUESTION) == [(5000,)]


def test_due_work_asks_once_for_all_keys_that_are_as_they_should_be(world: World) -> None:
    for number in range(3):
        world.create(world.key(f"k{number}"), f"c{number}", f"create{number}")
    world.reopen()
    asked = Fault(AssertionError)
    world.wrap_keys = lambda inner: failing_provider(inner, asked)
    assert due(world) == []
    assert asked.calls == ["describe_keys"]
