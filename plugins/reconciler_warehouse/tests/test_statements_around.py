"""Statements and what is around them: tables of others, a root key that is lost, the calls of the key service."""

from __future__ import annotations

from collections import Counter

import pytest

from reconciler.errors import DisabledException, ServiceError, ValidationException
from reconciler.providers.data import ClusterRequest
from reconciler.providers.warehouse import ExecutesStatements
from reconciler_warehouse.tests.statement_worlds import changed, count, run, site_of
from reconciler_warehouse.tests.test_restart import Counting
from reconciler_warehouse.tests.worlds import OWNED, World, silent


@pytest.fixture(name="two")
def with_a_share(world: World) -> World:
    """sales shares its flights with shop."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    run(world, "DELETE FROM flights WHERE id >= 100")
    world.create(world.key("k2"), "shop", "shop")
    run(world, "CREATE TABLE seen (id int, tail varchar(20))", name="shop")
    world.warehouse().create_data_share(
        world.caller, "trips", producer="sales", consumer="shop", tables=["flights"], token="share"
    )
    return world


def test_a_warehouse_is_one_that_executes_statements(world: World) -> None:
    assert isinstance(world.warehouse(), ExecutesStatements)


def test_statements_read_what_is_shared_and_change_only_their_own(two: World) -> None:
    assert run(two, "INSERT INTO seen SELECT id, tail FROM trips.flights WHERE id < 10", name="shop").rows_changed == 10
    assert run(two, "CREATE TABLE all_of AS SELECT * FROM trips.flights", name="shop").rows_changed == 100
    assert (
        run(two, "DELETE FROM seen USING trips.flights f WHERE f.id = seen.id AND f.id < 3", name="shop").rows_changed
        == 3
    )
    assert (
        run(
            two, "UPDATE seen SET tail = 'x' WHERE id IN (SELECT max(id) FROM trips.flights WHERE id < 10)", name="shop"
        ).rows_changed
        == 1
    )
    assert two.select("SELECT count(*), max(id), min(tail) FROM seen", "shop") == [(7, 9, "CANARY-TAIL-00003")]
    assert two.select("SELECT count(*) FROM flights") == [(100,)]
    for statement in (
        "INSERT INTO trips.flights VALUES (1,'x',1)",
        "DELETE FROM trips.flights",
        "UPDATE trips.flights SET id = 1",
        "TRUNCATE trips.flights",
        "DROP TABLE trips.flights",
        "CREATE TABLE trips.more (a int)",
        "COPY trips.flights FROM 'a.csv'",
    ):
        with pytest.raises(ValidationException, match="another schema"):
            run(two, statement, name="shop")


def test_a_table_that_is_shared_is_not_dropped_under_its_consumer(two: World) -> None:
    with pytest.raises(ValidationException, match="shared by trips"):
        run(two, "DROP TABLE flights")
    assert two.select("SELECT count(*) FROM trips.flights", "shop") == [(100,)]


def test_a_cluster_without_its_root_key_takes_no_statement_and_loses_none(world: World) -> None:
    key = world.key("k1")
    world.create(key)
    run(world, "CREATE TABLE t AS SELECT 1 AS a")
    world.keys().disable_key(world.caller, str(key.key_arn))
    for statement in ("INSERT INTO t VALUES (2)", "DELETE FROM t", "DROP TABLE t", "CREATE TABLE u (a int)"):
        with pytest.raises(ServiceError) as refused:
            run(world, statement)
        assert isinstance(refused.value, DisabledException)
    assert world.warehouse().describe_clusters(world.caller)[0].status == "inaccessible-kms-key"
    world.keys().enable_key(world.caller, str(key.key_arn))
    assert changed(world, "INSERT INTO t VALUES (2)") == 1
    assert world.select("SELECT sum(a) FROM t") == [(3,)]


def test_a_statement_asks_the_key_service_once(world: World) -> None:
    calls: Counter[str] = Counter()
    world.create(OWNED)
    run(world, "CREATE TABLE t (a int)")
    world.wrap_keys = lambda inner: Counting(inner, calls)
    for statement in (
        *("INSERT INTO t VALUES (1), (2)", "UPDATE t SET a = a + 1", "DELETE FROM t WHERE a = 2"),
        *("CREATE TABLE u AS SELECT * FROM t", "TRUNCATE u", "DROP TABLE u"),
    ):
        world.reopen()
        calls.clear()
        run(world, statement)
        assert calls == {"decrypt": 1}, statement


def test_no_value_and_no_text_of_a_statement_is_left_in_the_catalogue(world: World) -> None:
    """Not in its rows, not in its log: the text is kept as a MAC, the rows sealed (I18, T13)."""
    world.create(OWNED)
    run(world, "CREATE TABLE secrets (CANARYCOLUMN varchar(40), other int)")
    run(world, "INSERT INTO secrets VALUES ('CANARY-INLINE', 1), ('CANARY-DELETED', 2)")
    run(world, "UPDATE secrets SET canarycolumn = 'CANARY-UPDATED' WHERE canarycolumn = 'CANARY-INLINE'")
    run(world, "DELETE FROM secrets WHERE canarycolumn = 'CANARY-DELETED'")
    assert count(world, "SELECT count(*) FROM statement") == 4
    assert [event for event in world.warehouse().events("sales") if "CANARY" in event.message] == []
    folder = site_of(world).folder
    world.reopen()
    for path in sorted(folder.rglob("*")):
        assert not path.is_file() or b"canary" not in path.read_bytes().lower(), path


def test_snapshots_have_the_rows_of_their_time_whatever_statements_do_since(world: World) -> None:
    """Restored after the table was changed, compacted and dropped; and nothing is left when all of them are gone."""
    warehouse = world.warehouse()
    world.create(OWNED)
    world.load(world.file("a.csv"))
    run(world, "INSERT INTO flights VALUES (9999,'x',1)")
    run(world, "DELETE FROM flights WHERE id < 10")
    asked = "SELECT count(*), sum(id) FROM flights"
    expected = {"first": world.select(asked)}
    warehouse.create_snapshot(world.caller, "sales", "first", retention_days=1, token="first")
    run(world, "UPDATE flights SET id = id + 1 WHERE id < 20")
    run(world, "DELETE FROM flights WHERE id > 2000")
    warehouse.do_due_work(world.caller, progress=silent)
    expected["second"] = world.select(asked)
    warehouse.create_snapshot(world.caller, "sales", "second", retention_days=1, token="second")
    run(world, "DROP TABLE flights")
    warehouse.clear_up()
    for name, rows in expected.items():
        request = ClusterRequest(name=f"again-{name}", node_type="ra3.large", nodes=2, database="dev", root=OWNED)
        warehouse.restore_cluster(world.caller, request, name, progress=silent, token=f"restore {name}")
        assert world.select(asked, request.name) == rows
        assert run(world, "DELETE FROM flights WHERE id = 15", name=request.name).rows_changed == 1
        warehouse.delete_cluster(world.caller, request.name)
        warehouse.delete_snapshot(world.caller, name)
    warehouse.delete_cluster(world.caller, "sales")
    assert world.data_files() == {}
    for table in ("segment", "key_table", "delete_vector", "inline", "manifest_page", "statement", "trash", "pending"):
        assert count(world, f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608  # a test
