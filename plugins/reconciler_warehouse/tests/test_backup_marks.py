"""BACKUP NO (RE10) of what is restored: a table whose rows are to be in no backup does not come into the next one by
way of an older one."""

from __future__ import annotations

from reconciler.providers.data import ClusterRequest, LoadedTable
from reconciler_warehouse.tests.statement_worlds import run
from reconciler_warehouse.tests.worlds import OWNED, World, silent


def restored(world: World, call: str = "restore") -> LoadedTable:
    return world.warehouse().restore_table(
        world.caller, "sales", "snap", "flights", f"back_{call}", progress=silent, token=call
    )


def with_snapshot(world: World) -> None:
    world.create(OWNED)
    world.load(world.file("a.csv"))
    take(world, "snap")


def take(world: World, name: str) -> None:
    world.warehouse().create_snapshot(world.caller, "sales", name, retention_days=None, token=name)


def tables_of_copy(world: World, snapshot: str) -> list[str]:
    """The tables of a cluster that is made of the snapshot."""
    request = ClusterRequest(name=snapshot, node_type="ra3.large", nodes=2, database="dev", root=OWNED)
    made = world.warehouse().restore_cluster(world.caller, request, snapshot, progress=silent, token=snapshot)
    return [one.name for one in made.tables]


def test_a_table_that_was_backed_up_comes_back_as_one_that_is(world: World) -> None:
    with_snapshot(world)
    assert restored(world).backup


def test_a_table_that_is_backup_no_by_now_comes_back_as_that(world: World) -> None:
    with_snapshot(world)
    world.load(backup=False)
    made = restored(world)
    assert (made.rows, made.backup) == (5000, False)
    assert restored(world) == made, "the same call again"
    take(world, "later")
    assert tables_of_copy(world, "later") == []


def test_a_table_that_another_one_took_the_name_of_comes_back_as_that_one_is_marked(world: World) -> None:
    with_snapshot(world)
    run(world, "DROP TABLE flights")
    assert restored(world, "none").backup
    run(world, "CREATE TABLE flights (id int) BACKUP NO")
    assert not restored(world, "marked").backup
    world.warehouse().rotate_encryption_key(
        world.caller, "sales", progress=silent, token="rotate"
    )  # its manifest holds
    assert world.select("SELECT count(*) FROM back_marked") == [(5000,)]
    run(world, "CREATE TABLE other (id int) BACKUP NO")
    run(world, "DROP TABLE flights")
    assert restored(world, "others").backup
