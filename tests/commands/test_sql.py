"""``sql`` from the command line: what it prints, what it takes for a file, and that one token happens once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import Ran
from tests.commands.shop import Run
from tests.world import document, provider

MANIFESTS = (
    provider()
    + provider("dwh", plugin="warehouse")
    + document("Cluster", "sales", provider="dwh", nodeType="ra3.large", nodes=1)
)


@pytest.fixture(name="sql")
def with_cluster(folder: Path, run: Run) -> Run:
    (folder / "manifests" / "world.yaml").write_text(MANIFESTS)
    assert run("apply", "--auto-approve").code == 0

    def statement(*arguments: str, stdin: str = "") -> Ran:
        return run("sql", "-c", "sales", *arguments, stdin=stdin)

    return statement


def test_what_a_statement_changed_is_told_as_psql_tells_it(sql: Run, folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "items.csv").write_text("id,name\n7,seven\n8,eight\n")
    for statement, tag in {
        "CREATE TABLE items (id int, name varchar(20))": "CREATE TABLE",
        "INSERT INTO items VALUES (1,'one'), (2,'two'), (3,'three')": "INSERT 0 3",
        "COPY items FROM 'data/items.csv'": "COPY 2",
        "UPDATE items SET name = upper(name) WHERE id < 3": "UPDATE 2",
        "DELETE FROM items WHERE id = 3": "DELETE 1",
        "CREATE TABLE more AS SELECT * FROM items": "SELECT 4",
        "TRUNCATE more": "TRUNCATE TABLE",
        "DROP TABLE more": "DROP TABLE",
    }.items():
        done = sql(statement)
        assert (done.code, done.out.strip(), done.err) == (0, tag, ""), statement
    assert sql("--format", "csv", "SELECT * FROM items ORDER BY id").out.splitlines() == [
        *("id,name", "1,ONE", "2,TWO", "7,seven", "8,eight"),
    ]
    assert sql("--format", "json", "DELETE FROM items").json == {
        **{"formatVersion": 1, "statement": "DELETE", "rows": 4},
    }
    assert sql("--format", "csv", "DROP TABLE items").out == "statement,rows\nDROP TABLE,\n"


def test_a_statement_comes_from_standard_input(sql: Run) -> None:
    assert sql("-", stdin="CREATE TABLE t (a int);\n").out.strip() == "CREATE TABLE"
    assert sql("-", stdin="INSERT INTO t VALUES (1)").out.strip() == "INSERT 0 1"
    assert sql("-", stdin="SELECT 1; SELECT 2").code == 1


def test_one_token_happens_once(sql: Run) -> None:
    sql("CREATE TABLE t (a int)")
    for _ in range(2):
        assert sql("--token", "mine", "INSERT INTO t VALUES (1)").out.strip() == "INSERT 0 1"
    assert sql("--format", "csv", "SELECT count(*) AS n FROM t").out.split() == ["n", "1"]
    assert sql("--token", "mine", "INSERT INTO t VALUES (2)").code == 1


def test_a_declared_load_is_not_planned_again_when_a_statement_empties_its_table(
    folder: Path, run: Run, sql: Run
) -> None:
    """A load runs once a table: what statements do to its rows is the user's own. A table that is dropped is made, and
    loaded, again."""
    (folder / "manifests" / "people.csv").write_text("name,age\nanne,3\nbert,5\n")
    (folder / "manifests" / "world.yaml").write_text(
        MANIFESTS + "  tables: [{name: people, load: [manifests/people.csv]}]\n"
    )
    assert run("apply", "--auto-approve").code == 0
    for statement in ("TRUNCATE people", "DELETE FROM people"):
        assert sql(statement).code == 0
        assert run("plan", "--detailed-exitcode").code == 0
    assert sql("DROP TABLE people").code == 0
    assert run("plan", "--detailed-exitcode").code == 2
    assert run("apply", "--auto-approve").code == 0
    assert sql("--format", "csv", "SELECT count(*) AS n FROM people").out.split() == ["n", "2"]


NOT_TAKEN = {
    "/etc/passwd": "an absolute path",
    "../outside.csv": "leads out of the project",
    "data/../../outside.csv": "leads out of the project",
    "./items.csv": "not a plain path",
    "absent.csv": "there is no such file",
    "link.csv": "symbolic link",
    "linked/outside.csv": "symbolic link",
    "data": "not a regular file",
    "s3://bucket/items.csv": "not a plain path",
    "reconciler.yaml": "does not end in",
}


def test_copy_takes_files_below_the_project_and_no_link(sql: Run, folder: Path) -> None:
    outside = folder.parent / "outside.csv"
    outside.write_text("a\n1\n")
    (folder / "data").mkdir()
    (folder / "link.csv").symlink_to(outside)
    (folder / "linked").symlink_to(folder.parent)
    sql("CREATE TABLE t (a int)")
    for path, why in NOT_TAKEN.items():
        done = sql(f"COPY t FROM '{path}'")
        assert (done.code, done.out) == (1, ""), path
        assert why in done.err, path
    assert sql("--format", "csv", "SELECT count(*) AS n FROM t").out.split() == ["n", "0"]


def test_what_cannot_be_run_is_one_error_without_a_value(sql: Run) -> None:
    sql("CREATE TABLE t (a int)")
    for statement in (
        "INSERT INTO t VALUES ('CANARY')",
        "INSERT INTO t VALUES ('CANARY",
        "GRANT SELECT ON t TO CANARY",
    ):
        done = sql(statement)
        assert (done.code, done.out) == (1, "")
        assert "Traceback" not in done.err and "CANARY" not in done.err
