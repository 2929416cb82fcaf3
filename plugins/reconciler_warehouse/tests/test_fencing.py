"""Whoever was overtaken changes nothing in the warehouse's stores, and removes no file (I13)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.errors import DisabledException, LockHeld
from reconciler.providers.data import ClusterRequest, Root
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler.testing.fence_contract import NEWEST, STALE, FenceContract, FencedWorld, Writer, kept
from reconciler_warehouse import Warehouse
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.site import Site
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, _Keys, silent
from reconciler_warehouse.upkeep import drafts as drafts_of


def warehouse_of(world: World, writer: Writer, region: str = HERE) -> Warehouse:
    services = replace(world._services("warehouse", region, world.fs), fence=writer.now)
    return Warehouse(WarehouseConfig(), services, _Keys(lambda: world.keys(region), lambda: world.hsm(region)))


def calls_of(world: World, here: Warehouse, there: Warehouse) -> dict[str, Any]:
    """Each changing call, in an order in which each works. The first makes a cluster, and both stores with it."""
    caller, flights = world.caller, [world.file("a.csv")]
    others = [world.file("b.csv", "id,tail,delay\n1,a,1.5\n")]
    first, second = world.key("k1"), world.key("k2")
    return {
        "create_cluster": lambda: here.create_cluster(caller, _request(first), token="c"),
        "load_table": lambda: here.load_table(
            caller, "sales", "flights", flights, backup=True, progress=silent, token="l"
        ),
        "replace_table": lambda: here.replace_table(caller, "sales", "flights", others, progress=silent, token="p"),
        "resize_cluster": lambda: here.resize_cluster(caller, "sales", node_type="ra3.large", nodes=4),
        "rotate_encryption_key": lambda: here.rotate_encryption_key(caller, "sales", progress=silent, token="r"),
        "re_encrypt": lambda: here.re_encrypt(caller, "sales", progress=silent, token="e"),
        "modify_encryption": lambda: here.modify_encryption(caller, "sales", second, progress=silent, token="m"),
        "set_escrow": lambda: here.set_escrow(caller, "sales", first.key_arn, token="escrow"),
        "switch_root_alone": lambda: here.switch_root_alone(
            caller, "sales", world.key("k3"), progress=silent, token="a"
        ),
        "set_snapshot_schedule": lambda: here.set_snapshot_schedule(
            caller, "sales", SnapshotSchedule(every=timedelta(hours=1), retention=timedelta(days=1))
        ),
        "execute": lambda: here.execute(
            caller, "sales", "INSERT INTO flights VALUES (7, 'x', 1.5)", open_file=pytest.fail, token="x"
        ),
        "create_snapshot": lambda: here.create_snapshot(caller, "sales", "snap", retention_days=None, token="s"),
        "restore_cluster": lambda: here.restore_cluster(
            caller, replace(_request(first), name="again"), "snap", progress=silent, token="rc"
        ),
        "create_data_share": lambda: here.create_data_share(
            caller, "trips", producer="sales", consumer="again", tables=["flights"], token="d"
        ),
        "alter_data_share": lambda: here.alter_data_share(caller, "trips", tables=["flights"]),
        "delete_data_share": lambda: here.delete_data_share(caller, "trips"),
        "restore_table": lambda: here.restore_table(
            caller, "sales", "snap", "flights", "back", progress=silent, token="rt"
        ),
        "enable_snapshot_copy": lambda: here.enable_snapshot_copy(caller, "sales", there, grant=None, retention_days=7),
        "disable_snapshot_copy": lambda: here.disable_snapshot_copy(caller, "sales"),
        "rename_cluster": lambda: here.rename_cluster(caller, "sales", "revenue", token="n"),
        "create_snapshot_copy_grant": lambda: here.create_snapshot_copy_grant(caller, "landing", first, token="g"),
        "delete_snapshot_copy_grant": lambda: here.delete_snapshot_copy_grant(caller, "landing"),
        "delete_snapshot": lambda: here.delete_snapshot(caller, "snap"),
        "delete_cluster": lambda: here.delete_cluster(caller, "revenue"),
    }


def _request(root: Root) -> ClusterRequest:
    return ClusterRequest(name="sales", node_type="ra3.large", nodes=2, database="dev", root=root)


@pytest.fixture
def fenced(world: World) -> Iterator[FencedWorld]:
    writer = Writer()
    with closing(warehouse_of(world, writer)) as here, closing(world.warehouse(THERE)) as there:
        caller = world.caller
        yield FencedWorld(
            provider=here,
            writer=writer,
            folder=world.folder(HERE),
            calls=calls_of(world, here, there),
            reads={
                "describe_clusters": lambda: here.describe_clusters(caller),
                "describe_snapshots": lambda: here.describe_snapshots(caller),
                "describe_snapshot_copy_grants": lambda: here.describe_snapshot_copy_grants(caller),
                "find_cluster": lambda: here.find_cluster(caller, token="c"),
                "key_uses": here.key_uses,
                "due_work": lambda: here.due_work(caller, at=world.clock.now()),
                "events": lambda: here.events("sales"),
                "held_grants": here.held_grants,
                "key_versions": here.key_versions,
                "plaintext_found": here.plaintext_found,
                "retired_cluster_keys": here.retired_cluster_keys,
                "needed_cluster_keys": lambda: here.needed_cluster_keys(["0" * 32]),
                "describe_data_shares": lambda: here.describe_data_shares(caller),
                "estimate_change": lambda: here.estimate_change("sales"),
                "change_progress": lambda: here.change_progress("sales"),
                "manifest_tags": lambda: here.manifest_tags({"0" * 32: 1}),
            },
            # The first four are shown below, the fifth with the HSM; the others only look.
            elsewhere=frozenset({"copy_snapshot", "receive_snapshot", "clear_up", "expire", "do_due_work"})
            | {"destroy_retired_cluster_keys", "takes_hsm_root", "select", "list_accesses_to_adopt", "list_dependents"}
            | {"workers", "export_tables", "provider_name"}
            | {f"prove_{what}" for what in ("cluster", "snapshot", "copy_grant", "store")},
        )


class TestFencing(FenceContract):
    def test_a_copy_is_refused_by_the_destination(self, world: World) -> None:
        writer = Writer(NEWEST)
        world.create(OWNED)
        world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="s")
        with closing(warehouse_of(world, writer, THERE)) as there:
            there.create_snapshot_copy_grant(world.caller, "landing", OWNED, token="g")
            world.warehouse().enable_snapshot_copy(world.caller, "sales", there, grant=None, retention_days=7)

            def copy() -> object:
                return world.warehouse().copy_snapshot(world.caller, "snap", there, progress=silent, token="y")

            copy()
            there.delete_snapshot(world.caller, copy_name(there, world))
            before = kept(world.folder(THERE))
            writer.fence = STALE
            with pytest.raises(LockHeld):
                copy()
            assert kept(world.folder(THERE)) == before

    def test_an_overtaken_process_removes_no_snapshot_that_has_expired(self, world: World) -> None:
        writer = Writer(NEWEST)
        with closing(warehouse_of(world, writer)) as here:
            here.create_cluster(world.caller, _request(OWNED), token="c")
            here.create_snapshot(world.caller, "sales", "snap", retention_days=1, token="s")
            world.clock.advance(days=2)
            before = kept(world.folder(HERE))
            writer.fence = STALE
            with pytest.raises(LockHeld):
                here.expire()
            assert kept(world.folder(HERE)) == before
            writer.fence = NEWEST
            assert here.expire() == ["snap"]

    def test_an_overtaken_process_makes_no_cluster_inaccessible(self, world: World) -> None:
        writer = Writer(NEWEST)
        root = world.key("k1")
        with closing(warehouse_of(world, writer)) as here:
            here.create_cluster(world.caller, _request(root), token="c")
            world.keys().disable_key(world.caller, str(root.key_arn))
            before = kept(world.folder(HERE))
            writer.fence = STALE
            with pytest.raises(LockHeld):
                here.do_due_work(world.caller, progress=silent)
            with pytest.raises(DisabledException):
                here.select(world.caller, "sales", "SELECT 1")
            assert kept(world.folder(HERE)) == before
            writer.fence = NEWEST
            assert len(here.do_due_work(world.caller, progress=silent)) == 1

    @pytest.mark.parametrize("left", ["trash", "pending"])
    def test_an_overtaken_process_removes_no_file(self, world: World, left: str) -> None:
        """Neither what is in the trash nor what a killed process left, nor its own draft."""
        writer = Writer(NEWEST)
        with closing(warehouse_of(world, writer)) as here:
            here.create_cluster(world.caller, _request(NONE), token="c")
            here.load_table(
                world.caller, "sales", "flights", [world.file("a.csv")], backup=True, progress=silent, token="l"
            )
            name = f"{'0' * 32}.1"
            path = world.folder() / "data" / name
            path.write_bytes(b"left behind")
            with site_of(here).catalogue.write() as catalogue:
                if left == "trash":
                    catalogue.execute("INSERT INTO trash (file, epoch) VALUES (?, 0)", (name,))
                else:  # no process has that id
                    catalogue.execute("INSERT INTO pending (file, process) VALUES (?, ?)", (name, 2**22 + 1))
            writer.fence = STALE
            before = kept(world.folder())
            with pytest.raises(LockHeld):
                here.clear_up()
            assert kept(world.folder()) == before
            writer.fence = NEWEST
            here.clear_up()
            assert not path.exists()

    def test_an_overtaken_process_leaves_its_own_draft_to_the_newest(self, world: World) -> None:
        writer = Writer(NEWEST)
        with closing(warehouse_of(world, writer)) as here:
            here.create_cluster(world.caller, _request(NONE), token="c")
            site = site_of(here)
            name = f"{site.uid()}.1"

            def overtaken() -> None:
                with drafts_of.drafts(site) as made:
                    made.write(name, iter([memoryview(b"half")]))
                    writer.fence = STALE
                    raise ValueError("the process was held up here")

            with pytest.raises(ValueError, match="held up"):
                overtaken()
            assert (site.data / name).exists()
            writer.fence = NEWEST
            here.clear_up()
            assert not (site.data / name).exists()


def copy_name(there: Warehouse, world: World) -> str:
    (copied,) = there.describe_snapshots(world.caller)
    return copied.name


def site_of(here: Warehouse) -> Site:
    return here._site
