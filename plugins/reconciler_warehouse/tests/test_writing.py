"""Statements that change tables: each whole or not at all, under whatever key the cluster is."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    ConflictException,
    InvalidClusterStateFault,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler_warehouse import operations
from reconciler_warehouse.loading import tabular
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.tests.statement_worlds import changed, count, inline, run, segments, site_of
from reconciler_warehouse.tests.worlds import ADMIN, NONE, OWNED, World, silent
from reconciler_warehouse.writing import joinable
from tests.amounts import is_campaign

LIVE = "segment s JOIN delete_vector v ON v.id = s.delete_vector"
ITEMS = "CREATE TABLE items (id int NOT NULL, name varchar(12), price decimal(8,2))"


@pytest.fixture(name="world", params=["sealed", "plain"] if is_campaign() else ["sealed"])
def with_items(world: World, request: pytest.FixtureRequest) -> World:
    world.create(OWNED if request.param == "sealed" else NONE)
    run(world, ITEMS)
    assert changed(world, "INSERT INTO items VALUES (1,'one',1), (2,'two',2.5), (3,NULL,NULL)") == 3
    return world


def items(world: World, columns: str = "id, name, price") -> list[tuple[Any, ...]]:
    return world.select(f"SELECT {columns} FROM items ORDER BY id")  # noqa: S608  # a test


def test_a_table_is_made_with_its_types(world: World) -> None:
    run(
        world,
        """CREATE TABLE kinds (a smallint, b bigint, c real, d double precision, e boolean, f char(3), g date, h time,
           i timestamp, j timestamptz, k text, l numeric) DISTSTYLE KEY DISTKEY(a) SORTKEY(b)""",
    )
    run(
        world,
        """INSERT INTO kinds VALUES (1, 2, 1.5, 2.5, true, 'abc', '2020-02-29', '10:11:12', '2020-01-01 10:00',
           '2020-01-01 10:00:00+02', 'text', 7)""",
    )
    (row,) = world.select("SELECT * FROM kinds")
    assert row == (
        *(1, 2, 1.5, 2.5, True, "abc", date(2020, 2, 29), time(10, 11, 12), datetime(2020, 1, 1, 10)),
        *(datetime(2020, 1, 1, 8, tzinfo=UTC), "text", Decimal(7)),
    )


def test_rows_are_inserted_from_values_and_queries(world: World) -> None:
    assert changed(world, "INSERT INTO items (price, id) VALUES (1+1, 4), ('9.99', 5), (DEFAULT, 6)") == 3
    assert (
        changed(
            world,
            "WITH big AS (SELECT * FROM items WHERE id > 3) INSERT INTO items SELECT id+10, name FROM big".replace(
                "id+10, name", "id + 10, name, price"
            ),
        )
        == 3
    )
    assert changed(world, "INSERT INTO items SELECT * FROM items WHERE false") == 0
    assert items(world, "id, price")[3:] == [
        (4, Decimal("2.00")),
        (5, Decimal("9.99")),
        (6, None),
        (14, Decimal("2.00")),
        (15, Decimal("9.99")),
        (16, None),
    ]


def test_rows_are_updated(world: World) -> None:
    assert changed(world, "UPDATE items SET name = 'number ' || id, price = price * 2 WHERE id >= 2") == 2
    assert changed(world, "UPDATE items AS i SET name = DEFAULT WHERE i.id = 1") == 1
    assert changed(world, "UPDATE items SET id = 9 WHERE id = 77") == 0
    assert items(world) == [(1, None, Decimal("1.00")), (2, "number 2", Decimal("5.00")), (3, "number 3", None)]


def test_rows_are_updated_from_other_tables(world: World) -> None:
    run(world, "CREATE TABLE prices AS SELECT id AS item, id * 10 AS price FROM items WHERE id < 3")
    assert changed(world, "UPDATE items SET price = p.price FROM prices p WHERE p.item = items.id") == 2
    assert items(world, "price") == [(Decimal(10),), (Decimal(20),), (None,)]
    run(world, "INSERT INTO prices VALUES (1, 99)")
    with pytest.raises(ValidationException, match="matched by several rows"):
        run(world, "UPDATE items SET price = p.price FROM prices p WHERE p.item = items.id")
    assert items(world, "price") == [(Decimal(10),), (Decimal(20),), (None,)]


def test_rows_are_deleted(world: World) -> None:
    assert changed(world, "DELETE FROM items WHERE id = 2") == 1
    assert changed(world, "DELETE FROM items WHERE id = 2") == 0
    assert items(world, "id") == [(1,), (3,)]
    run(world, "CREATE TABLE gone AS SELECT 3 AS id UNION ALL SELECT 3 UNION ALL SELECT 4")
    assert changed(world, "DELETE FROM items USING gone WHERE gone.id = items.id") == 1
    assert changed(world, "DELETE FROM items WHERE id IN (SELECT max(id) FROM items)") == 1
    assert items(world) == []
    assert changed(world, "INSERT INTO items VALUES (7, 'back', 0)") == 1
    assert items(world, "id") == [(7,)]


def test_all_rows_are_deleted_at_once(world: World) -> None:
    assert changed(world, "DELETE FROM items") == 3
    assert changed(world, "DELETE FROM items") == 0
    run(world, "INSERT INTO items VALUES (1,'x',1)")
    assert run(world, "TRUNCATE TABLE items").rows_changed is None
    assert items(world) == []
    run(world, "INSERT INTO items VALUES (2,'y',2)")
    assert items(world, "id") == [(2,)]


def test_every_update_of_a_row_is_in_the_count_of_rows_that_describe_tells(world: World) -> None:
    for _ in range(3):
        run(world, "UPDATE items SET price = 0")
    run(world, "DELETE FROM items WHERE id = 1")
    (table,) = world.warehouse().describe_clusters(world.caller, ["sales"])[0].tables
    assert (table.name, table.rows) == ("items", 2)


def test_a_table_is_made_of_a_query(world: World) -> None:
    assert (
        changed(
            world,
            "CREATE TABLE sums BACKUP NO AS SELECT name, sum(id) AS n, avg(price) FROM items GROUP BY 1".replace(
                "avg(price)", "avg(price) AS mean"
            ),
        )
        == 3
    )
    assert world.select("SELECT n FROM sums ORDER BY 1") == [(1,), (2,), (3,)]
    assert changed(world, "CREATE TABLE renamed (a, b) AS SELECT id, name FROM items WHERE id = 1") == 1
    assert world.select("SELECT b, a FROM renamed") == [("one", 1)]
    assert changed(world, "CREATE TABLE nothing AS SELECT * FROM items WHERE id > 99") == 0
    assert world.select("SELECT * FROM nothing") == []
    described = {table.name: table.backup for table in world.warehouse().describe_clusters(world.caller)[0].tables}
    assert described == {"items": True, "sums": False, "renamed": True, "nothing": True}


def test_a_table_is_dropped_with_all_that_was_of_it(world: World) -> None:
    run(world, "UPDATE items SET price = 1 WHERE id = 1")
    run(world, "DROP TABLE items")
    run(world, "DROP TABLE IF EXISTS items")
    for table in ("segment", "key_table", "delete_vector", "inline", "manifest_page"):
        assert count(world, f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608  # a test
    run(world, ITEMS)
    run(world, "CREATE TABLE IF NOT EXISTS items (other int)")
    assert items(world) == []


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_file_is_copied_each_time(world: World, name: str) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"name": ["x", "y"], "id": [10, 11], "price": [1.5, None]}), out)
    world.file(name, "name,id,price\nx,10,1.5\ny,11,\n" if name == "a.csv" else out.getvalue())
    for _ in range(2):
        assert changed(world, f"COPY items FROM '{name}' IAM_ROLE 'arn:aws:iam::1:role/x' FORMAT AS {name[2:]}") == 2
    assert items(world, "id, price")[3:] == [(10, Decimal("1.50"))] * 2 + [(11, None)] * 2
    assert count(world, "SELECT count(*) FROM load") == 0


def test_a_file_that_changes_while_it_is_copied_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.file("a.csv", "id,name,price\n9,x,1\n")
    original = tabular.row_groups

    def and_change(*given: Any) -> Any:
        yield from original(*given)
        path.write_text("id,name,price\n9,LATE,1\n")

    monkeypatch.setattr("reconciler_warehouse.writing.copying_in.row_groups", and_change)
    with pytest.raises(ConflictException, match="was changed while it was copied"):
        run(world, "COPY items FROM 'a.csv'")
    assert len(items(world)) == 3


def test_a_select_is_answered_too(world: World) -> None:
    result = run(world, "SELECT count(*) AS n FROM items")
    assert (result.verb, result.answer and result.answer.rows) == ("SELECT", [(3,)])


REFUSED = {
    "INSERT INTO items VALUES (1, 'x')": "2 values for 3 columns",
    "INSERT INTO items SELECT id FROM items": "1 values for 3 columns",
    "INSERT INTO items (id, nope) VALUES (1, 2)": "no column nope",
    "INSERT INTO items (id, ID) VALUES (1, 2)": "a column twice",
    "INSERT INTO items (name) VALUES ('x')": "id takes no NULL",
    "INSERT INTO items VALUES (NULL, 'x', 1)": "id takes no NULL",
    "UPDATE items SET id = NULL WHERE id = 1": "id takes no NULL",
    "INSERT INTO items VALUES (1, 'CANARY-that-is-too-long', 1)": "longer than the 12 bytes of column name",
    "INSERT INTO items VALUES ('CANARY', 'x', 1)": "does not become INT32",
    "INSERT INTO items SELECT 'CANARY' || id, 'x', 1 FROM items": "does not become",
    "INSERT INTO items VALUES (1, 'x', 123456789.25)": "does not become DECIMAL",
    "INSERT INTO items VALUES (99999999999, 'x', 1)": "does not become INT32",
    "INSERT INTO items VALUES (true, 'x', DATE '2020-01-01')": "Unimplemented type for cast",
    "INSERT INTO nope VALUES (1)": "no table nope",
    "INSERT INTO items VALUES (1,'x',1) RETURNING id": "no RETURNING",
    "INSERT INTO items VALUES (1,'x',1) ON CONFLICT DO NOTHING": "no ON CONFLICT",
    "INSERT OVERWRITE items SELECT 1, 'x', 1": "no OVERWRITE",
    "INSERT INTO other.items VALUES (1,'x',1)": "another schema",
    "INSERT INTO db.public.items VALUES (1,'x',1)": "another schema",
    "UPDATE items SET nope = 1": "no column nope",
    "UPDATE items SET id = 1, ID = 2": "column id twice",
    "UPDATE items SET (id, name) = (1, 'x')": "one column = one value",
    "UPDATE nope SET id = 1": "no table nope",
    "DELETE FROM nope": "no table nope",
    "DELETE FROM items WHERE nope = 1": "nope",
    "DELETE FROM (SELECT * FROM items)": "",
    "CREATE TABLE items (id int)": "a table items already",
    "CREATE TABLE items AS SELECT 1 AS id": "a table items already",
    "CREATE TABLE t ()": "",
    "CREATE TABLE t (a int, A int)": "column a twice",
    "CREATE TABLE t (a super)": "type SUPER",
    "CREATE TABLE t (a varchar(99999))": "a length is 1 to 65535",
    "CREATE TABLE t (a decimal(60,2))": "there is no DECIMAL",
    "CREATE TABLE t (a int DEFAULT 1)": "column a has DEFAULT",
    "CREATE TABLE t (a int IDENTITY(1,1))": "column a has IDENTITY",
    "CREATE TABLE t (LIKE items)": "no LIKE",
    "CREATE TEMP TABLE t (a int)": "no TEMPORARY",
    "CREATE TABLE #t (a int)": "cannot name a table",
    "CREATE OR REPLACE TABLE t AS SELECT 1 AS a": "no REPLACE",
    "CREATE TABLE t AS SELECT 1 AS a, 2 AS A": "two columns called a",
    "CREATE TABLE t (x) AS SELECT 1, 2": "1 names for the 2 columns",
    "CREATE TABLE t AS SELECT INTERVAL '1' DAY AS a": "of type INTERVAL",
    "CREATE VIEW v AS SELECT 1": "CREATE VIEW is none",
    "CREATE SCHEMA s": "CREATE SCHEMA is none",
    'CREATE TABLE "../t" (a int)': "cannot name a table",
    'CREATE TABLE "/etc/passwd" (a int)': "cannot name a table",
    'CREATE TABLE "t.csv" (a int)': "cannot name a table",
    f"CREATE TABLE {'t' * 128} (a int)": "cannot name a table",
    "DROP TABLE nope": "no table nope",
    "DROP TABLE items, items": "one table at a time",
    "DROP SCHEMA public": "DROP SCHEMA is none",
    "TRUNCATE nope": "no table nope",
    "COPY nope FROM 'a.csv'": "no table nope",
    "COPY items FROM 'absent.csv'": "no such file",
    "COPY items FROM '../a.csv'": "no such file",
    "COPY items FROM 'a.csv' DELIMITER '|'": "no option DELIMITER",
    "COPY items FROM 'a.csv' FORMAT AS PARQUET": "not PARQUET by its name",
    "COPY items (id) FROM 'a.csv'": "all columns",
    "COPY items TO 'out.csv'": "writes files",
    "COPY (SELECT * FROM items) TO 'out.csv'": "writes files",
    "UNLOAD ('select * from items') TO 's3://bucket/'": "UNLOAD is none",
    "MERGE INTO items USING items AS u ON items.id = u.id WHEN MATCHED THEN DELETE": "MERGE is none",
    "ALTER TABLE items ADD COLUMN x int": "ALTER TABLE is none",
    "VACUUM items": "VACUUM is none",
    "BEGIN": "is none that is run",
    "INSTALL httpfs": "what it begins with is none that is run",
    "SELECT * FROM glob('/*')": "missing for GLOB (line",
    "INSERT INTO items VALUES (1,'x',1); DROP TABLE items": "2 statements",
    "INSERT INTO items VALUES (1,'CANARY": "not closed",
    "INSERT INTO items VALUES ((('CANARY'": "cannot be parsed",
    "INSERT INTO items VALUES (" + "(" * 3000 + "1" + ")" * 3000 + ", 'x', 1)": "nested too deeply",
    "INSERT INTO items VALUES (1, '" + "x" * (1 << 20) + "', 1)": "longer than 1 MiB",
    "INSERT INTO items VALUES (1, '\0', 1)": "a character of value 0",
    "INSERT INTO items VALUES (1, '\udc80', 1)": "not UTF-8",
}


def test_what_cannot_be_done_is_one_clear_line_and_changes_nothing(world: World) -> None:
    world.file("a.csv", "id,name,price\n1,x,1\n")
    before = (items(world), segments(world), count(world, "SELECT manifest_version FROM cluster"), world.data_files())
    for statement, reason in REFUSED.items():
        with pytest.raises(ReconcilerError) as refused:
            run(world, statement)
        said = str(refused.value)
        assert isinstance(refused.value, ValidationException), statement[:99]
        assert reason in said, (statement[:99], said)
        assert "\n" not in refused.value.summary, statement[:99]
        assert "CANARY" not in said + repr(refused.value.diagnostics()), statement[:99]
        assert len(said) < 500, statement[:99]
    assert before == (
        *(items(world), segments(world), count(world, "SELECT manifest_version FROM cluster"), world.data_files()),
    )


def test_a_file_that_does_not_fit_is_refused_whole(world: World) -> None:
    for content in ("id,name\n1,x\n", "id,name,price\nCANARY,x,1\n", "id,name,price\n,x,1\n", "id,name\n1\n"):
        world.file("a.csv", content)
        with pytest.raises(ReconcilerError) as refused:
            run(world, "COPY items FROM 'a.csv'")
        assert "CANARY" not in str(refused.value)
    assert len(items(world)) == 3


def test_a_stranger_is_refused(world: World) -> None:
    with pytest.raises(AccessDeniedException):
        world.warehouse().execute(
            Caller(principal=ADMIN, account="999999999999"),
            "sales",
            "DROP TABLE items",
            open_file=pytest.fail,
            token="x",
        )
    with pytest.raises(ResourceNotFoundException):
        run(world, "DROP TABLE items", name="absent")


def test_the_same_call_again_happens_once(world: World) -> None:
    statements = {
        "INSERT INTO items VALUES (9, 'nine', 9)": 1,
        "UPDATE items SET price = coalesce(price, 0) + 1": 4,
        "CREATE TABLE more AS SELECT * FROM items": 4,
        "DELETE FROM items WHERE id = 9": 1,
        "TRUNCATE more": None,
        "DROP TABLE more": None,
    }
    for token, (statement, rows) in enumerate(statements.items()):
        first = run(world, statement, token=f"once-{token}")
        world.reopen()
        assert run(world, statement, token=f"once-{token}") == first
        assert first.rows_changed == rows
    assert items(world, "id, price") == [(1, Decimal(2)), (2, Decimal("3.50")), (3, Decimal(1))]
    with pytest.raises(ConflictException, match="used for another"):
        run(world, "INSERT INTO items VALUES (10, 'ten', 10)", token="once-0")


def test_a_token_counts_under_a_new_key_too(world: World) -> None:
    run(world, "INSERT INTO items VALUES (9, 'nine', 9)", token="t")
    world.warehouse().modify_encryption(world.caller, "sales", world.key("k1"), progress=silent, token="switch")
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")
    assert changed(world, "INSERT INTO items VALUES (9, 'nine', 9)", token="t") == 1
    assert len(items(world)) == 4


@pytest.mark.parametrize("token", ["", "x" * 257, "two\nlines", "\udc80"])
def test_a_token_is_a_short_printable_text(world: World, token: str) -> None:
    with pytest.raises(ValidationException, match="A token is"):
        world.warehouse().execute(world.caller, "sales", "DELETE FROM items", open_file=pytest.fail, token=token)
    assert len(items(world)) == 3


def test_a_plain_cluster_is_changed_as_a_sealed_one(world: World) -> None:
    """Each other test is about both in a campaign."""
    world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="off")
    test_rows_are_updated(world)
    run(world, "TRUNCATE items")
    run(world, "INSERT INTO items VALUES (1,'one',1), (2,'two',2), (3,NULL,NULL)")
    test_rows_are_deleted(world)
    assert count(world, "SELECT count(*) FROM delete_vector WHERE dek IS NOT NULL") == 0


def test_a_table_that_an_encryption_leaves_behind_keeps_its_columns(world: World) -> None:
    """BACKUP NO (RE10): the rows go, and statements fill it again."""
    world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="off")
    run(world, "CREATE TABLE scratch (id int NOT NULL, note varchar(4)) BACKUP NO")
    run(world, "INSERT INTO scratch VALUES (1, 'x'), (2, 'y')")
    run(world, "DELETE FROM scratch WHERE id = 1")
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="on")
    assert world.select("SELECT * FROM scratch") == []
    with pytest.raises(ValidationException, match="takes no NULL"):
        run(world, "INSERT INTO scratch (note) VALUES ('z')")
    assert changed(world, "INSERT INTO scratch VALUES (3, 'z')") == 1
    assert world.select("SELECT * FROM scratch") == [(3, "z")]


def test_no_digest_of_a_text_outlives_the_encryption(world: World) -> None:
    """Without a key it would tell which of a few texts it was (I18)."""
    world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="off")
    run(world, "INSERT INTO items VALUES (9, 'nine', 9)", token="in clear")
    assert count(world, "SELECT max(length(proof)) FROM statement WHERE dek IS NULL") == 32
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="on")
    assert count(world, "SELECT max(length(proof)) FROM statement WHERE dek IS NULL") == 0
    assert changed(world, "INSERT INTO items VALUES (9, 'nine', 9)", token="in clear") == 1
    assert len(items(world)) == 4


def test_rows_outlive_every_change_of_keys(world: World) -> None:
    """Delete vectors and small segments go with it: sealed anew by a rotation, in clear after a decryption."""
    warehouse = world.warehouse()
    run(world, "UPDATE items SET name = 'changed' WHERE id = 2")
    expected = items(world)
    for number, root in enumerate((world.key("k1"), OWNED, NONE, world.key("k2"))):
        warehouse.modify_encryption(world.caller, "sales", root, progress=silent, token=f"m{number}")
        assert items(world) == expected
        dek = count(world, f"SELECT count(*) FROM {LIVE} WHERE v.dek IS NOT NULL")  # noqa: S608  # a test
        assert dek == (0 if root == NONE else 1)
        if root != NONE:
            warehouse.rotate_encryption_key(world.caller, "sales", progress=silent, token=f"r{number}")
        assert items(world) == expected
        run(world, "UPDATE items SET price = price WHERE id = 1")
    assert count(world, f"SELECT count(*) FROM {LIVE} JOIN cluster c WHERE v.dek IS NOT c.dek") == 0  # noqa: S608  # a test


def test_small_statements_make_no_files_and_are_joined(world: World) -> None:
    files = world.data_files()
    for number in range(100, 100 + 3 * joinable.FEWEST):
        run(world, f"INSERT INTO items VALUES ({number}, 'n', 0)")  # noqa: S608  # a test
    assert world.data_files() == files == {}
    assert segments(world) < 2 * joinable.FEWEST
    assert inline(world) == segments(world)
    assert len(items(world)) == 3 + 3 * joinable.FEWEST
    assert joinable.due(site_of(world))
    done = world.warehouse().do_due_work(world.caller, progress=silent)
    assert [one for one in done if "compacted" in one]
    assert segments(world) == 1
    assert not joinable.due(site_of(world))
    assert len(items(world)) == 3 + 3 * joinable.FEWEST


def test_a_segment_of_which_much_was_deleted_is_written_again(world: World) -> None:
    world.load(world.file("a.csv"))
    run(world, "DELETE FROM flights WHERE id < 4000")
    (due,) = joinable.due(site_of(world))
    assert (due.table, len(due.segments)) == ("flights", 1)
    world.warehouse().do_due_work(world.caller, progress=silent)
    assert count(world, "SELECT count(*) FROM delete_vector") == 0
    assert (
        count(
            world,
            "SELECT sum(s.rows) FROM segment s JOIN data_table t ON t.uid = s.data_table WHERE t.name = 'flights'",
        )
        == 1000
    )
    assert world.select("SELECT count(*), min(id) FROM flights") == [(1000, 4000)]
    assert len(world.data_files()) <= 1, "the old file is gone"


def test_a_snapshot_keeps_the_rows_of_its_time(world: World) -> None:
    run(world, "DELETE FROM items WHERE id = 1")
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=1, token="snap")
    run(world, "DELETE FROM items WHERE id = 2")
    assert count(world, "SELECT count(*) FROM delete_vector") == 2
    assert count(world, "SELECT v.rows FROM snapshot_segment s JOIN delete_vector v ON v.id = s.delete_vector") == 1
    world.warehouse().delete_snapshot(world.caller, "snap")
    assert count(world, "SELECT count(*) FROM delete_vector") == 1


def test_nobody_writes_while_an_older_node_type_is_encrypted(world: World) -> None:
    site = site_of(world)
    world.warehouse().resize_cluster(world.caller, "sales", node_type="dc2.large", nodes=2)
    with site.catalogue.write() as catalogue:
        catalogue.execute(
            "INSERT INTO operation (token, verb, cluster, facts, finished) VALUES ('m', ?, ?, '{}', 0)",
            (operations.ENCRYPT, cluster_named(site, "sales").uid),
        )
    with pytest.raises(InvalidClusterStateFault, match="read-only"):
        run(world, "DELETE FROM items")
    assert len(items(world)) == 3
