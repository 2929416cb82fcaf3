"""``restore-table``: one table of the cluster's own snapshot, beside what is there (RE11)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.shop import Run, declare
from tests.world import document, provider

KEYS = provider("kms") + provider("dw", "warehouse") + document("Key", "k", provider="kms")
SNAPSHOT = document("Snapshot", "nightly", provider="dw", cluster="sales")


def cluster(encryption: str) -> str:
    return document(
        "Cluster",
        "sales",
        provider="dw",
        nodeType="ra3.large",
        nodes=1,
        encryption=encryption,
        tables="[{name: people, load: [manifests/people.csv]}]",
    )


@pytest.fixture(name="run")
def with_a_snapshot(run: Run, folder: Path) -> Run:
    (folder / "manifests" / "people.csv").write_text("name,age\nanne,3\nbert,5\n")
    declare(folder, KEYS + cluster("{enabled: false}") + SNAPSHOT.replace("nightly", "plain"))
    assert run("apply", "--auto-approve").code == 0
    declare(folder, KEYS + cluster("{key: k}") + SNAPSHOT.replace("nightly", "plain") + SNAPSHOT)
    ran = run("apply", "--auto-approve")
    assert ran.code == 0, ran.err
    return run


def test_a_table_comes_back_under_another_name_and_once_a_token(run: Run) -> None:
    run("sql", "-c", "sales", "DELETE FROM people WHERE name = 'anne'")
    asked = ("restore-table", "-c", "sales", "--snapshot", "nightly", "--to", "people_before", "--token", "t", "people")
    ran = run(*asked)
    assert (ran.code, ran.out.strip()) == (0, "people_before: 2 rows, as snapshot nightly has people")
    assert run(*asked).code == 0
    assert "anne" in run("sql", "-c", "sales", "SELECT name FROM people_before").out
    assert "anne" not in run("sql", "-c", "sales", "SELECT name FROM people").out


def test_a_table_that_is_in_no_backup_by_now_comes_back_as_that_and_says_so(run: Run) -> None:
    run("sql", "-c", "sales", "DROP TABLE people")
    run("sql", "-c", "sales", "CREATE TABLE people (name varchar(8)) BACKUP NO")
    ran = run("restore-table", "-c", "sales", "--snapshot", "nightly", "--to", "people_before", "people")
    said = "people_before: 2 rows, as snapshot nightly has people; BACKUP NO, as people is today"
    assert (ran.code, ran.out.strip()) == (0, said)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--snapshot", "plain", "--to", "back", "people"], "(RE11)"),
        (["--snapshot", "none", "--to", "back", "people"], "There is no snapshot none"),
        (["--snapshot", "nightly", "--to", "back", "nobody"], "has no table nobody"),
        (["--snapshot", "nightly", "--to", "people", "people"], "has a table people already"),
        (["--snapshot", "nightly", "--to", "../x", "people"], "cannot name a table"),
    ],
)
def test_what_cannot_be_restored_is_said_in_one_sentence(run: Run, flags: list[str], said: str) -> None:
    ran = run("restore-table", "-c", "sales", *flags)
    assert ran.code == 1
    assert said in ran.err
    assert "Traceback" not in ran.err
