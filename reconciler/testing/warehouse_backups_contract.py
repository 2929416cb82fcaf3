"""What a warehouse must do that keeps backups by itself: a class for each capability, beside ``WarehouseContract``.

Snapshots by schedule, clusters and tables made of snapshots, keys in escrow, and the loss of a root key (RE8, RE11,
RE14, SC1). A subclass gives the fixture ``world``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from reconciler.errors import (
    AlreadyExistsException,
    InvalidClusterStateFault,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.model.due_work import DueWork
from reconciler.providers.data import (
    ClusterDescription,
    ClusterRequest,
    CountsKeyUses,
    Expires,
    ListsDueWork,
    Root,
    SnapshotDescription,
    WarehouseProvider,
)
from reconciler.providers.warehouse import (
    DoesDueWork,
    KeepsEscrow,
    RestoresSnapshots,
    RootKeyState,
    SchedulesSnapshots,
    SnapshotSchedule,
)
from reconciler.testing.warehouse_contract import (
    ANSWER,
    MEANS,
    MORE_FLIGHTS,
    OWNED,
    UNENCRYPTED,
    WarehouseWorld,
    csv,
    described,
    kms,
    load,
    loaded,
    means,
    modify,
    rotate,
    silent,
    snapshot,
    uses,
)

DAILY = SnapshotSchedule(every=timedelta(days=1), retention=timedelta(days=3))


class KeepsBackups(
    WarehouseProvider,
    CountsKeyUses,
    DoesDueWork,
    Expires,
    KeepsEscrow,
    ListsDueWork,
    RestoresSnapshots,
    SchedulesSnapshots,
    Protocol,
):
    """A warehouse with all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsWorld(WarehouseWorld):
    """The same, where time passes when it is told to. ``escrow`` is the ARN of a third key that ``user`` may use for
    everything, ``capable`` the warehouse, as one that keeps backups, ``now`` its time."""

    capable: KeepsBackups
    pass_time: Callable[[timedelta], None]
    now: Callable[[], datetime]
    escrow: str


def do_due(world: BackupsWorld) -> list[str]:
    """What an apply does first."""
    world.capable.expire()
    return world.capable.do_due_work(world.user, progress=silent)


def automated(world: BackupsWorld) -> list[SnapshotDescription]:
    """Snapshots that the warehouse took by itself, oldest first."""
    found = [one for one in world.warehouse.describe_snapshots(world.user) if one.kind == "automated"]
    return sorted(found, key=lambda one: one.created_at)


def restored(
    world: BackupsWorld, root: Root, of: str = "before", name: str = "copy", call: str = "restore"
) -> ClusterDescription:
    """A new cluster of a snapshot."""
    request = ClusterRequest(name=name, node_type="ra3.large", nodes=2, database="dev", root=root)
    return world.capable.restore_cluster(world.user, request, of, progress=silent, token=call)


class SchedulesSnapshotsContract:
    """Automated snapshots: due by stored times, taken by due work, gone when their retention is over (SC1)."""

    def test_a_schedule_is_described_and_can_be_taken_away(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        assert described(world).schedule is None
        for wanted in (DAILY, DAILY, None):
            world.capable.set_snapshot_schedule(world.user, "sales", wanted)
            assert described(world).schedule == wanted
        world.pass_time(timedelta(days=9))
        do_due(world)
        assert automated(world) == []

    def test_one_is_taken_when_it_is_due_and_not_before_and_not_twice(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        world.capable.set_snapshot_schedule(world.user, "sales", DAILY)
        assert (do_due(world), automated(world)) == ([], [])
        world.pass_time(timedelta(days=1))
        assert do_due(world)
        assert len(automated(world)) == 1
        assert (do_due(world), len(automated(world))) == ([], 1)
        assert automated(world)[0].root == kms(world.key)

    def test_after_a_pause_one_is_taken_and_not_as_many_as_were_missed(self, world: BackupsWorld) -> None:
        loaded(world, OWNED)
        world.capable.set_snapshot_schedule(world.user, "sales", DAILY)
        world.pass_time(timedelta(days=40))
        do_due(world)
        assert len(automated(world)) == 1

    def test_each_goes_when_its_retention_is_over(self, world: BackupsWorld) -> None:
        loaded(world, OWNED)
        world.capable.set_snapshot_schedule(world.user, "sales", DAILY)
        for _ in range(6):
            world.pass_time(timedelta(days=1))
            do_due(world)
        assert len(automated(world)) == 3


class RestoresSnapshotsContract:
    """Clusters and tables made of snapshots (RE11)."""

    @pytest.mark.parametrize("root", ["same", "other", "owned"])
    def test_a_new_cluster_has_the_snapshots_rows_under_a_root_of_its_own(self, world: BackupsWorld, root: str) -> None:
        loaded(world, kms(world.key))
        snapshot(world)
        load(world, csv(world, "more.csv", MORE_FLIGHTS))
        wanted = {"same": kms(world.key), "other": kms(world.other_key), "owned": OWNED}[root]
        made = restored(world, wanted)

        assert (made.root, made.status, made.name) == (wanted, "available", "copy")
        assert world.warehouse.select(world.user, "copy", MEANS).rows == ANSWER
        assert described(world).uid != made.uid
        assert described(world).dek_id != made.dek_id

    def test_it_is_made_once_a_token_and_found_by_it(self, world: BackupsWorld) -> None:
        loaded(world, OWNED)
        snapshot(world)
        made = restored(world, OWNED)
        assert restored(world, OWNED) == made
        assert world.warehouse.find_cluster(world.user, token="restore") == made
        with pytest.raises(AlreadyExistsException):
            restored(world, OWNED, call="again")

    def test_it_outlives_the_snapshot_and_the_cluster_that_it_was_made_of(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        snapshot(world)
        restored(world, kms(world.other_key))
        world.warehouse.delete_snapshot(world.user, "before")
        world.warehouse.delete_cluster(world.user, "sales")
        assert world.warehouse.select(world.user, "copy", MEANS).rows == ANSWER
        assert [what for what, _ in uses(world.warehouse, world.key)] == []

    def test_what_is_not_there_is_not_restored(self, world: BackupsWorld) -> None:
        loaded(world, OWNED)
        with pytest.raises(ResourceNotFoundException):
            restored(world, OWNED, of="absent")
        assert world.warehouse.describe_clusters(world.user, ["copy"]) == []

    def test_a_table_comes_back_beside_what_is_there(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        snapshot(world)
        world.capable.restore_table(
            world.user, "sales", "before", "flights", "old_flights", progress=silent, token="table"
        )
        old = MEANS.replace("FROM flights", "FROM old_flights")
        assert world.warehouse.select(world.user, "sales", old).rows == ANSWER
        assert means(world) == ANSWER

    def test_no_single_table_of_a_plaintext_snapshot_comes_into_an_encrypted_cluster(self, world: BackupsWorld) -> None:
        loaded(world, UNENCRYPTED)
        snapshot(world)
        modify(world, OWNED)
        with pytest.raises(InvalidClusterStateFault):
            world.capable.restore_table(
                world.user, "sales", "before", "flights", "old_flights", progress=silent, token="table"
            )


class KeepsEscrowContract:
    """A second key that opens every DEK (RE14)."""

    def put(self, world: BackupsWorld, key: str | None, call: str = "escrow") -> None:
        world.capable.set_escrow(world.user, "sales", key, token=call)

    def test_it_is_described_counted_as_a_use_and_can_be_given_up(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        for _ in range(2):
            self.put(world, world.escrow)
        assert described(world).escrow_arn == world.escrow
        assert uses(world.warehouse, world.escrow) == [("escrow", "sales")]
        (use,) = [one for one in world.capable.key_uses(world.key) if one.what == "cluster"]
        assert use.escrow_arn == world.escrow
        self.put(world, None, call="no more")
        assert (described(world).escrow_arn, uses(world.warehouse, world.escrow)) == (None, [])
        assert means(world) == ANSWER

    def test_it_is_no_escrow_under_the_root_itself_and_none_without_keys(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        with pytest.raises(ValidationException):
            self.put(world, world.key)
        modify(world, UNENCRYPTED)
        with pytest.raises(InvalidClusterStateFault):
            self.put(world, world.escrow)

    def test_new_keys_are_in_escrow_too(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        self.put(world, world.escrow)
        rotate(world)
        assert described(world).escrow_arn == world.escrow
        world.keys.disable_key(world.user, world.key)
        do_due(world)
        (backup,) = [one for one in world.warehouse.describe_snapshots(world.user) if one.kind != "automated"]
        restored(world, kms(world.other_key), of=backup.name)
        assert world.warehouse.select(world.user, "copy", MEANS).rows == ANSWER


class LosesItsRootContract:
    """A root key that is lost: backup, wait, and the way back (RE8)."""

    def lose(self, world: BackupsWorld) -> ClusterDescription:
        loaded(world, kms(world.key))
        world.keys.disable_key(world.user, world.key)
        assert do_due(world)
        return described(world)

    def test_it_is_backed_up_and_waits_fourteen_days(self, world: BackupsWorld) -> None:
        found = self.lose(world)
        assert (found.status, found.root) == ("inaccessible-kms-key", kms(world.key))
        assert found.inaccessible is not None
        assert found.inaccessible.cause is RootKeyState.DISABLED
        assert found.inaccessible.deadline - found.inaccessible.since == timedelta(days=14)
        names = [one.name for one in world.warehouse.describe_snapshots(world.user)]
        assert found.inaccessible.backup in names
        assert found.inaccessible.escrow_arn is None

    def test_it_answers_nothing_meanwhile(self, world: BackupsWorld) -> None:
        self.lose(world)
        with pytest.raises(ReconcilerError):
            means(world)

    def test_with_its_key_it_comes_back_as_it_was(self, world: BackupsWorld) -> None:
        self.lose(world)
        world.keys.enable_key(world.user, world.key)
        assert do_due(world)
        assert (described(world).status, described(world).inaccessible) == ("available", None)
        assert means(world) == ANSWER
        assert do_due(world) == []

    def test_when_the_time_is_over_it_is_given_up_and_its_backup_stays(self, world: BackupsWorld) -> None:
        found = self.lose(world)
        assert found.inaccessible is not None
        for _ in range(3):  # nothing irreversible at a first look
            world.pass_time(timedelta(days=15))
            do_due(world)
        assert world.warehouse.describe_clusters(world.user, ["sales"]) == []
        assert [one.name for one in world.warehouse.describe_snapshots(world.user)] == [found.inaccessible.backup]
        world.keys.enable_key(world.user, world.key)
        restored(world, kms(world.other_key), of=str(found.inaccessible.backup))
        assert world.warehouse.select(world.user, "copy", MEANS).rows == ANSWER


class ListsDueWorkContract:
    """What an apply does by itself is listed beforehand: no more, no less, and nothing by listing it (RE2)."""

    def listed(self, world: BackupsWorld) -> list[DueWork]:
        found = world.capable.due_work(world.user, at=world.now())
        assert world.capable.due_work(world.user, at=world.now()) == found
        return found

    def settled(self, world: BackupsWorld) -> None:
        """Do it; then nothing is listed."""
        do_due(world)
        assert self.listed(world) == []

    def test_nothing_is_listed_when_nothing_is_due(self, world: BackupsWorld) -> None:
        assert self.listed(world) == []
        loaded(world, kms(world.key))
        world.capable.set_snapshot_schedule(world.user, "sales", DAILY)
        assert (self.listed(world), do_due(world)) == ([], [])

    def test_a_snapshot_by_schedule_is_listed_until_it_is_taken(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        world.capable.set_snapshot_schedule(world.user, "sales", DAILY)
        due_at = world.now() + timedelta(days=1)
        (ahead,) = world.capable.due_work(world.user, at=due_at)
        world.pass_time(timedelta(days=1))
        (one,) = self.listed(world)
        assert one == ahead
        assert (one.kind, one.name, one.since, one.removes_data) == ("cluster", "sales", due_at, False)
        assert automated(world) == []
        self.settled(world)
        assert len(automated(world)) == 1

    def test_a_snapshot_whose_time_is_over_is_listed_as_what_cannot_be_undone(self, world: BackupsWorld) -> None:
        loaded(world, OWNED)
        world.warehouse.create_snapshot(world.user, "sales", "short", retention_days=1, token="short")
        over_at = world.now() + timedelta(days=1)
        world.pass_time(timedelta(days=2))
        (one,) = self.listed(world)
        assert (one.kind, one.name, one.since, one.removes_data) == ("snapshot", "short", over_at, True)
        assert [found.name for found in world.warehouse.describe_snapshots(world.user)] == ["short"]
        self.settled(world)
        assert world.warehouse.describe_snapshots(world.user) == []

    def test_each_stage_of_a_lost_root_key_is_listed_and_the_last_cannot_be_undone(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        lost_at = world.now()
        world.keys.disable_key(world.user, world.key)
        stages = []
        for _ in range(3):
            found = self.listed(world)
            assert [(one.kind, one.name) for one in found] == [("cluster", "sales")]
            stages.append((found[0].since, found[0].removes_data))
            self.settled(world)
            world.pass_time(timedelta(days=15))
        deadline = lost_at + timedelta(days=14)
        assert stages == [(None, False), (deadline, False), (deadline, True)]
        assert world.warehouse.describe_clusters(world.user, ["sales"]) == []

    def test_a_cluster_that_its_key_brings_back_is_listed(self, world: BackupsWorld) -> None:
        loaded(world, kms(world.key))
        world.keys.disable_key(world.user, world.key)
        do_due(world)
        assert self.listed(world) == []
        world.keys.enable_key(world.user, world.key)
        (one,) = self.listed(world)
        assert (one.name, one.removes_data) == ("sales", False)
        assert described(world).status == "inaccessible-kms-key"
        self.settled(world)
        assert described(world).status == "available"
