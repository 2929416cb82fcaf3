"""What is written of a lost root is written without a key: none of it is believed where it counts (I9, T9)."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from reconciler.errors import DamagedStore, ReconcilerError
from reconciler.providers.data import ClusterRequest
from reconciler_warehouse.tests.test_root_crashes import due, known_to_be_lost, set_enabled
from reconciler_warehouse.tests.worlds import World, silent

QUESTION = "SELECT count(*) FROM flights"
LONG_AGO = "2001-01-01T00:00:00+00:00"
OVER = f"""UPDATE cluster SET status = 'inaccessible-kms-key', inaccessible_since = '{LONG_AGO}',
    inaccessible_cause = 'destroyed', inaccessible_overdue = '{LONG_AGO}'"""  # noqa: S608  # the test's own


def write(world: World, *statements: str) -> None:
    """Into the catalogue, as somebody who has no key of it."""
    world.reopen()
    with closing(sqlite3.connect(world.folder() / "catalogue.db")) as catalogue, catalogue:
        catalogue.create_function("moved", 1, lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"))
        for statement in statements:
            catalogue.execute(statement)


@pytest.fixture
def sales(world: World) -> World:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.load(world.file("b.csv", "id,tail,delay\n7,x,1.5\n"), table="crews")
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    return world


@pytest.mark.parametrize("backup", ["NULL", "(SELECT uid FROM snapshot)", "'nobody'"])
def test_a_forged_loss_releases_nothing_and_removes_no_snapshot(sales: World, backup: str) -> None:
    write(sales, OVER, f"UPDATE cluster SET inaccessible_backup = {backup}")  # noqa: S608  # of three
    assert sales.select(QUESTION) == [(5000,)]
    assert due(sales) == []
    write(sales, OVER, f"UPDATE cluster SET inaccessible_backup = {backup}")  # noqa: S608  # of three
    assert due(sales) == ["Cluster sales is available again."]
    (found,) = sales.warehouse().describe_clusters(sales.caller)
    assert (found.status, found.inaccessible) == ("available", None)
    assert [one.name for one in sales.warehouse().describe_snapshots(sales.caller)] == ["snap"]


NOT_WHOLE = {
    "a backup of less": """UPDATE cluster SET inaccessible_backup =
        (SELECT uid FROM snapshot WHERE name = 'other')""",
    "a backup of something else": """UPDATE cluster SET inaccessible_backup =
        (SELECT uid FROM snapshot WHERE name = 'snap')""",
    "no backup": "UPDATE cluster SET inaccessible_backup = NULL",
    "a backup that is not finished": "UPDATE snapshot SET status = 'creating' WHERE name LIKE '%inaccessible%'",
    "a backup with another manifest": "UPDATE snapshot SET manifest_version = 1 WHERE name LIKE '%inaccessible%'",
}


@pytest.mark.parametrize("forgery", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_a_cluster_whose_backup_is_not_whole_is_not_released(sales: World, forgery: str) -> None:
    """The root key is lost for good, and the time is over: only the backup has been tampered with."""
    sales.warehouse().create_snapshot(sales.caller, "sales", "other", retention_days=None, token="other")
    sales.load(sales.file("c.csv", "id,tail,delay\n9,y,1.5\n"))
    set_enabled(sales, enabled=False)
    due(sales)
    write(sales, forgery)
    sales.clock.advance(days=15)
    due(sales)
    sales.clock.advance(days=1)
    assert "not whole" in due(sales)[0]
    due(sales)
    set_enabled(sales, enabled=True)
    due(sales)
    assert sales.select(QUESTION) == [(5001,)]


def _restored(world: World) -> object:
    backup = next(one.name for one in world.warehouse().describe_snapshots(world.caller) if "inaccessible" in one.name)
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=world.key("k2"))
    return world.warehouse().restore_cluster(world.caller, request, backup, progress=silent, token="again")


FORGED_BACKUPS = {
    "its seal": "UPDATE snapshot SET sealed_as = moved(sealed_as)",
    "no seal": "UPDATE snapshot SET sealed_as = NULL",
    "the seal of nothing": 'UPDATE snapshot SET sealed_as = \'["a","b","[]",[]]\'',
    "a table's name": "UPDATE snapshot_table SET name = 'stolen' WHERE name = 'crews'",
    "a table less": "DELETE FROM snapshot_table WHERE name = 'crews'",
    "its version": "UPDATE snapshot SET manifest_version = manifest_version + 1",
    "its key": "UPDATE snapshot SET dek = NULL",
    "its tag": "UPDATE snapshot SET manifest_tag = zeroblob(32)",
}


@pytest.mark.parametrize("forgery", FORGED_BACKUPS.values(), ids=FORGED_BACKUPS)
def test_a_backup_that_was_tampered_with_is_not_restored(world: World, forgery: str) -> None:
    known_to_be_lost(world)
    set_enabled(world, enabled=True)
    world.warehouse().delete_snapshot(world.caller, "snap")
    where = " AND " if " WHERE " in forgery else " WHERE "
    column = "snapshot" if "snapshot_table" in forgery else "uid"
    write(world, f"{forgery}{where}{column} = (SELECT uid FROM snapshot WHERE name LIKE '%inaccessible%')")  # noqa: S608  # above
    if "crews" in forgery:
        write(world, "DELETE FROM snapshot_table WHERE name = 'flights'")
    with pytest.raises(DamagedStore):
        _restored(world)


def test_an_untouched_backup_is_restored(world: World) -> None:
    known_to_be_lost(world)
    set_enabled(world, enabled=True)
    _restored(world)
    assert world.select(QUESTION, "again") == [(5000,)]


@pytest.mark.parametrize("column", ["inaccessible_since", "inaccessible_cause"])
@pytest.mark.parametrize("value", ["''", "'x'", "'2001-01-01'", "'usable'"])
def test_what_nothing_here_writes_is_one_typed_error(sales: World, column: str, value: str) -> None:
    write(sales, OVER, f"UPDATE cluster SET {column} = {value}")  # noqa: S608  # of two
    with pytest.raises(DamagedStore):
        sales.warehouse().describe_clusters(sales.caller)


def test_a_wrapped_key_that_was_changed_is_damage_and_no_loss_of_the_root(sales: World) -> None:
    sales.reopen()
    with closing(sqlite3.connect(sales.folder() / "keyring.db")) as ring, ring:
        ((wrapped,),) = ring.execute("SELECT DISTINCT wrapped FROM cek")
        ring.execute("UPDATE cek SET wrapped = ?", (wrapped[:-1] + bytes([wrapped[-1] ^ 1]),))
    with pytest.raises(ReconcilerError):
        sales.select(QUESTION)
    assert due(sales) == []
    (found,) = sales.warehouse().describe_clusters(sales.caller)
    assert (found.status, found.inaccessible) == ("available", None)
