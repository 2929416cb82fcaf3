"""What every warehouse that takes HSM roots must do beside ``WarehouseContract``: inherit ``HsmRootsContract``.

The HSM is whichever the subclass brings: partitions that answer, and a way to unplug them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from reconciler.errors import HsmError, HsmFault, InvalidClusterStateFault
from reconciler.providers.data import INCOMPATIBLE_HSM, Root, RootKind, TakesHsmRoots
from reconciler.providers.hsm import KeepsClusterKeys, RetiresClusterKeys
from reconciler.testing.warehouse_contract import (
    ANSWER,
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
    snapshot,
    uses,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmRootsWorld(WarehouseWorld):
    """``partition`` and ``other_partition`` are ARNs of two that are fit. After ``unplug`` neither can be asked, until
    ``plug_in``."""

    hsm: KeepsClusterKeys
    partition: str
    other_partition: str
    unplug: Callable[[], None]
    plug_in: Callable[[], None]


def under(partition: str) -> Root:
    """A root in an HSM."""
    return Root(kind=RootKind.HSM, partition=partition)


def keys_in(world: HsmRootsWorld, partition: str) -> set[str]:
    """Ids of the cluster keys that are in use there."""
    return {one.key_id for one in world.hsm.describe_cluster_keys(world.user, partition) if one.retired_at is None}


class HsmRootsContract:
    """The suite. A subclass gives the fixture ``world``."""

    def test_it_says_that_it_takes_them(self, world: HsmRootsWorld) -> None:
        assert isinstance(world.warehouse, TakesHsmRoots)
        assert world.warehouse.takes_hsm_root("ra3.large")

    def test_the_cluster_key_is_the_partitions(self, world: HsmRootsWorld) -> None:
        made = loaded(world, under(world.partition))
        assert made.root == under(world.partition)
        assert made.keys_verified
        assert keys_in(world, world.partition) == {made.cek_id}
        assert means(world) == ANSWER
        assert uses(world.warehouse, world.partition) == [("cluster", "sales")]

    def test_creating_twice_with_one_token_makes_one_cluster_and_one_key(self, world: HsmRootsWorld) -> None:
        assert create(world, under(world.partition)) == create(world, under(world.partition))
        assert len(keys_in(world, world.partition)) == 1

    def test_a_partition_that_cannot_be_asked_makes_no_cluster(self, world: HsmRootsWorld) -> None:
        world.unplug()
        with pytest.raises(HsmError):
            create(world, under(world.partition))
        for left in world.warehouse.describe_clusters(world.user):
            assert left.status == INCOMPATIBLE_HSM
            assert left == world.warehouse.find_cluster(world.user, token="create")
            with pytest.raises(InvalidClusterStateFault):
                load(world, csv(world))
        world.plug_in()
        assert keys_in(world, world.partition) == set()
        world.warehouse.delete_cluster(world.user, "sales")
        assert world.warehouse.describe_clusters(world.user) == []
        assert create(world, under(world.partition), call="again").status == "available"

    def test_an_hsm_that_goes_away_stops_reading_and_comes_back(self, world: HsmRootsWorld) -> None:
        loaded(world, under(world.partition))
        world.unplug()
        with pytest.raises(HsmError, match="sales") as stopped:
            means(world)
        assert stopped.value.fault is not HsmFault.KEY_MISSING  # nothing is known about what it holds
        assert described(world).status == "available"
        world.plug_in()
        assert means(world) == ANSWER

    def test_rotation_retires_keys_and_destroys_none(self, world: HsmRootsWorld) -> None:
        before = loaded(world, under(world.partition))
        snapshot(world)
        after = rotate(world)
        assert (after.cek_id, after.dek_id) != (before.cek_id, before.dek_id)
        assert before.cek_id not in keys_in(world, world.partition)
        assert before.cek_id in {one.key_id for one in world.hsm.describe_cluster_keys(world.user, world.partition)}
        assert len(keys_in(world, world.partition)) == 2  # the cluster's and its snapshot's (RO1)
        assert means(world) == ANSWER

    def test_a_retired_key_goes_by_its_id_and_what_is_needed_stays(self, world: HsmRootsWorld) -> None:
        """RO1."""
        warehouse = world.warehouse
        if not isinstance(warehouse, RetiresClusterKeys):
            pytest.skip("its retired cluster keys stay for ever")
        old, live = (str(one.cek_id) for one in (loaded(world, under(world.partition)), rotate(world)))
        retired = [(one.key_id, one.partition, one.is_needed) for one in warehouse.retired_cluster_keys()]
        assert retired == [(old, world.partition, False)]
        assert warehouse.needed_cluster_keys([old, live]) == [live]
        assert warehouse.destroy_retired_cluster_keys(world.user, [old, live], partition=world.other_partition) == []
        assert warehouse.destroy_retired_cluster_keys(world.user, [old, live], partition=world.partition) == [old]
        assert warehouse.destroy_retired_cluster_keys(world.user, [old, live]) == []
        assert warehouse.retired_cluster_keys() == []
        assert {one.key_id for one in world.hsm.describe_cluster_keys(world.user, world.partition)} == {live}
        assert means(world) == ANSWER

    @pytest.mark.parametrize("other", ["partition", "key", "owned"])
    def test_there_and_back_takes_the_snapshots_along(self, world: HsmRootsWorld, other: str) -> None:
        there = {"partition": under(world.other_partition), "key": kms(world.key), "owned": OWNED}[other]
        home = under(world.partition)
        loaded(world, home)
        snapshot(world)
        for number, target in enumerate((there, home)):
            assert modify(world, target, f"call {number}").root == target
            assert {one.root for one in world.warehouse.describe_snapshots(world.user)} == {target}
            assert means(world) == ANSWER
        assert keys_in(world, world.other_partition) == set()
        assert not uses(world.warehouse, world.other_partition) and not uses(world.warehouse, world.key)

    def test_encrypting_in_place_and_decrypting_again(self, world: HsmRootsWorld) -> None:
        loaded(world, UNENCRYPTED)
        assert modify(world, under(world.partition), "on").root == under(world.partition)
        assert means(world) == ANSWER
        assert modify(world, UNENCRYPTED, "off").root == UNENCRYPTED
        assert means(world) == ANSWER

    def test_a_switch_to_a_partition_that_cannot_be_asked_changes_nothing(self, world: HsmRootsWorld) -> None:
        loaded(world, kms(world.key))
        world.unplug()
        with pytest.raises(HsmError):
            modify(world, under(world.partition))
        assert described(world).root == kms(world.key)
        assert described(world).status == "available"
        assert means(world) == ANSWER
        world.plug_in()
        assert keys_in(world, world.partition) == set()

    def test_a_deleted_clusters_key_stays_for_its_snapshots(self, world: HsmRootsWorld) -> None:
        made = loaded(world, under(world.partition))
        snapshot(world)
        world.warehouse.delete_cluster(world.user, "sales")
        assert keys_in(world, world.partition) == {made.cek_id}
        world.warehouse.delete_snapshot(world.user, "before")
        assert keys_in(world, world.partition) == set()
