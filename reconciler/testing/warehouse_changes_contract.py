"""What a warehouse must do whose clusters are changed while they run: a class for each capability, beside
``WarehouseContract``. A subclass gives the fixture ``world``."""

from __future__ import annotations

from typing import Any, cast

import pytest

from reconciler.errors import AlreadyExistsException, ReconcilerError, ResourceNotFoundException
from reconciler.providers.data import CountsKeyUses
from reconciler.providers.warehouse import (
    DataShareDescription,
    EstimatesChanges,
    EventSeverity,
    LeavesSnapshotsBehind,
    ReEncrypts,
    SharesData,
    TellsEvents,
)
from reconciler.testing.warehouse_contract import (
    ANSWER,
    MEANS,
    OWNED,
    UNENCRYPTED,
    WarehouseWorld,
    create,
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


class ReEncryptsContract:
    """Data written again under new keys of every tier (``reencrypt: true``)."""

    def again(self, world: WarehouseWorld, call: str = "again") -> Any:
        return cast(ReEncrypts, world.warehouse).re_encrypt(world.user, "sales", progress=silent, token=call)

    def test_every_tier_is_new_and_the_rows_are_the_same(self, world: WarehouseWorld) -> None:
        before = loaded(world, kms(world.key))
        after = self.again(world)
        assert (after.root, after.status) == (kms(world.key), "available")
        assert {before.cek_id, before.dek_id}.isdisjoint({after.cek_id, after.dek_id})
        assert means(world) == ANSWER
        assert self.again(world) == after

    def test_snapshots_stay_as_they_are(self, world: WarehouseWorld) -> None:
        loaded(world, OWNED)
        taken = snapshot(world)
        self.again(world)
        assert world.warehouse.describe_snapshots(world.user, ["before"]) == [taken]

    def test_there_is_nothing_to_do_without_encryption(self, world: WarehouseWorld) -> None:
        loaded(world, UNENCRYPTED)
        with pytest.raises(ReconcilerError):
            self.again(world)
        assert described(world).root == UNENCRYPTED


class EstimatesChangesContract:
    """What a change costs, before it is begun."""

    def test_it_says_what_there_is_to_write_again(self, world: WarehouseWorld) -> None:
        warehouse = cast(EstimatesChanges, world.warehouse)
        found = loaded(world, UNENCRYPTED)
        estimate = warehouse.estimate_change("sales")
        assert estimate is not None
        assert (estimate.bytes, estimate.segments > 0) == (sum(table.bytes for table in found.tables), True)
        assert estimate.seconds is None or estimate.seconds >= 0
        assert warehouse.estimate_change("nobody") is None

    def test_nothing_is_under_way_before_and_after_a_change(self, world: WarehouseWorld) -> None:
        warehouse = cast(EstimatesChanges, world.warehouse)
        loaded(world, UNENCRYPTED)
        assert warehouse.change_progress("sales") is None
        modify(world, OWNED)
        assert warehouse.change_progress("sales") is None


class TellsEventsContract:
    """What happened to a cluster."""

    def test_events_are_told_newest_first_and_outlive_a_new_name(self, world: WarehouseWorld) -> None:
        warehouse = cast(TellsEvents, world.warehouse)
        loaded(world, kms(world.key))
        first = warehouse.events("sales")
        rotate(world)
        told = warehouse.events("sales")
        assert first
        assert told[-len(first) :] == first
        assert len(told) > len(first)
        assert [one.at for one in told] == sorted((one.at for one in told), reverse=True)
        assert {one.cluster for one in told} == {"sales"}
        assert all(one.severity is EventSeverity.INFO and one.message for one in told)
        assert warehouse.events("sales", limit=1) == told[:1]
        assert warehouse.events("nobody") == []


class LeavesSnapshotsBehindContract:
    """Another root for the cluster alone (``snapshotsFollow: false``)."""

    def test_snapshots_stay_under_their_root_and_say_so(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        snapshot(world)
        switched = cast(LeavesSnapshotsBehind, world.warehouse).switch_root_alone(
            world.user, "sales", kms(world.other_key), progress=silent, token="alone"
        )
        (left,) = world.warehouse.describe_snapshots(world.user, ["before"])
        assert (switched.root, left.root) == (kms(world.other_key), kms(world.key))
        assert uses(world.warehouse, world.key) == [("snapshot", "before")]
        (use,) = cast(CountsKeyUses, world.warehouse).key_uses(world.key)
        assert use.of is None
        assert means(world) == ANSWER


class SharesDataContract:
    """Tables of one cluster that another one queries (RE8)."""

    def share(self, world: WarehouseWorld, *tables: str, call: str = "share") -> DataShareDescription:
        return cast(SharesData, world.warehouse).create_data_share(
            world.user, "bi", producer="sales", consumer="reports", tables=tables or ("flights",), token=call
        )

    def both(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        create(world, kms(world.other_key), name="reports", call="reports")

    def asked(self, world: WarehouseWorld, table: str = "bi.flights") -> list[tuple[Any, ...]]:
        return world.warehouse.select(world.user, "reports", MEANS.replace("FROM flights", f"FROM {table}")).rows

    def test_the_consumer_queries_the_producers_tables(self, world: WarehouseWorld) -> None:
        self.both(world)
        made = self.share(world)
        assert self.share(world) == made
        assert (made.name, made.producer, made.consumer, made.tables, made.status) == (
            *("bi", "sales", "reports"),
            ("flights",),
            "ACTIVE",
        )
        assert cast(SharesData, world.warehouse).describe_data_shares(world.user) == [made]
        assert cast(SharesData, world.warehouse).describe_data_shares(world.user, ["other"]) == []
        assert self.asked(world) == ANSWER

    def test_it_has_the_tables_that_it_was_given_and_no_others(self, world: WarehouseWorld) -> None:
        self.both(world)
        load(world, csv(world, "more.csv"), table="secrets")
        self.share(world)
        with pytest.raises(ReconcilerError):
            self.asked(world, "bi.secrets")
        warehouse = cast(SharesData, world.warehouse)
        warehouse.alter_data_share(world.user, "bi", tables=["secrets"])
        assert self.asked(world, "bi.secrets") == ANSWER
        with pytest.raises(ReconcilerError):
            self.asked(world)

    def test_a_share_ends_when_it_is_deleted_and_with_either_cluster(self, world: WarehouseWorld) -> None:
        self.both(world)
        warehouse = cast(SharesData, world.warehouse)
        self.share(world)
        for _ in range(2):
            warehouse.delete_data_share(world.user, "bi")
        with pytest.raises(ReconcilerError):
            self.asked(world)
        self.share(world, call="again")
        world.warehouse.delete_cluster(world.user, "sales")
        assert warehouse.describe_data_shares(world.user) == []

    def test_with_the_producers_root_key_the_consumer_loses_it(self, world: WarehouseWorld) -> None:
        self.both(world)
        self.share(world)
        world.keys.disable_key(world.user, world.key)
        with pytest.raises(ReconcilerError):
            self.asked(world)
        world.keys.enable_key(world.user, world.key)
        assert self.asked(world) == ANSWER

    def test_names_in_use_and_clusters_and_tables_that_are_not_there_are_refused(self, world: WarehouseWorld) -> None:
        self.both(world)
        self.share(world)
        with pytest.raises(AlreadyExistsException):
            self.share(world, call="another")
        warehouse = cast(SharesData, world.warehouse)
        with pytest.raises(ResourceNotFoundException):
            warehouse.create_data_share(
                world.user, "of_nobody", producer="nobody", consumer="reports", tables=["flights"], token="a"
            )
        with pytest.raises(ReconcilerError):
            warehouse.alter_data_share(world.user, "bi", tables=["absent"])
