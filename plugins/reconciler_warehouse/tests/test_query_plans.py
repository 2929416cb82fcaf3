"""What one cluster costs does not grow with how many there are: no call about one reads a whole table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.testing.query_plans import begun_by, scans, sorts
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent

SMALL = ("pending", "trash", "gone", "retiring", "lease", "reading_epoch", "escrow_grant")

CALLS: dict[str, Callable[[World], object]] = {
    "describe a cluster": lambda world: world.warehouse().describe_clusters(world.caller, ["sales"]),
    "find a cluster": lambda world: world.warehouse().find_cluster(world.caller, token="create"),
    "describe a snapshot": lambda world: world.warehouse().describe_snapshots(world.caller, ["snap"]),
    "create": lambda world: world.create(world.key("k1"), name="more", call="more"),
    "load": lambda world: world.load(world.file("b.csv", "id,tail,delay\n1,a,1.5\n")),
    "snapshot": lambda world: world.warehouse().create_snapshot(
        world.caller, "sales", "more", retention_days=None, token="more"
    ),
    "rotate": lambda world: world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="r"),
    "switch": lambda world: world.warehouse().modify_encryption(
        world.caller, "sales", world.key("k2"), progress=silent, token="s"
    ),
    "decrypt": lambda world: world.warehouse().modify_encryption(
        world.caller, "sales", NONE, progress=silent, token="d"
    ),
    "encrypt": lambda world: world.warehouse().modify_encryption(
        world.caller, "plain", OWNED, progress=silent, token="e"
    ),
    "re-encrypt": lambda world: world.warehouse().re_encrypt(world.caller, "sales", progress=silent, token="n"),
    "how far a change is": lambda world: world.warehouse().change_progress("sales"),
    "copy": lambda world: world.warehouse().copy_snapshot(
        world.caller, "snap", world.warehouse(THERE), progress=silent, token="copy"
    ),
    "delete a snapshot": lambda world: world.warehouse().delete_snapshot(world.caller, "snap"),
    "delete a cluster": lambda world: world.warehouse().delete_cluster(world.caller, "sales"),
    "make a copy grant": lambda world: world.warehouse(THERE).create_snapshot_copy_grant(
        world.caller, "more", OWNED, token="more"
    ),
    "remove a copy grant": lambda world: world.warehouse(THERE).delete_snapshot_copy_grant(world.caller, "landing"),
    "select": lambda world: world.select("SELECT count(*) FROM flights"),
}


@pytest.fixture(name="stores")
def filled(world: World) -> list[Path]:
    """The files of a world that has one of everything."""
    world.create(world.key("k1"))
    world.create(NONE, name="plain", call="plain")
    world.load(world.file("a.csv"))
    world.load(world.file("a.csv"), name="plain")
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    world.warehouse(THERE).create_snapshot_copy_grant(world.caller, "landing", OWNED, token="landing")
    world.reopen()
    stores = [world.folder(region) / name for name in ("catalogue.db", "keyring.db") for region in (HERE, THERE)]
    return [store for store in stores if store.exists()]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_no_call_about_one_reads_a_whole_table_or_sorts_it_for_a_few(
    world: World, stores: list[Path], call: Callable[[World], object]
) -> None:
    statements = begun_by(lambda: call(world))
    assert scans(statements, stores, small=SMALL) == {}
    assert sorts(statements, stores) == {}


def test_what_each_of_many_keys_opens_is_not_each_time_a_look_at_everything(world: World) -> None:
    key = str(world.key("k1").key_arn)
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    world.reopen()
    warehouse = world.warehouse()
    found = warehouse.key_uses(key)  # the first look is for what has lost its keys
    assert found == [use for use in warehouse.key_uses() if use.key_arn == key]
    assert len(found) == 2
    stores = [world.folder() / name for name in ("catalogue.db", "keyring.db")]
    assert scans(begun_by(lambda: warehouse.key_uses(key)), stores, small=SMALL) == {}
