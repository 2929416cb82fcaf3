"""A load runs once a table, whatever statements do to its rows since; one that is dropped is another one afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler_warehouse.tests.statement_worlds import run
from reconciler_warehouse.tests.worlds import OWNED, World, silent

CONTENT = "id,name\n1,a\n2,b\n"
EMPTIED = ["TRUNCATE people", "DELETE FROM people", "DELETE FROM people WHERE id < 100"]
AFTERWARDS: dict[str, Callable[[World], object]] = {
    "at once": lambda world: None,
    "another process": World.reopen,
    "new keys": lambda world: world.warehouse().rotate_encryption_key(
        world.caller, "sales", progress=silent, token="rotate"
    ),
}


@pytest.fixture
def people(world: World) -> World:
    world.create(OWNED)
    world.load(world.file("people.csv", CONTENT), table="people")
    return world


def loads(world: World) -> int:
    (table,) = world.warehouse().describe_clusters(world.caller, ["sales"])[0].tables
    return len(table.loads)


@pytest.mark.parametrize("afterwards", AFTERWARDS.values(), ids=AFTERWARDS.keys())
@pytest.mark.parametrize("statement", EMPTIED)
def test_a_file_is_not_loaded_again_into_a_table_that_was_emptied(
    people: World, statement: str, afterwards: Callable[[World], object]
) -> None:
    run(people, statement)
    afterwards(people)
    people.load(people.files / "people.csv", table="people")
    assert (people.select("SELECT count(*) FROM people"), loads(people)) == ([(0,)], 1)


def test_a_further_file_is_loaded_alone_into_a_table_that_was_emptied(people: World) -> None:
    run(people, "TRUNCATE people")
    people.load(people.files / "people.csv", people.file("more.csv", "id,name\n3,c\n"), table="people")
    assert people.select("SELECT * FROM people") == [(3, "c")]


def test_a_copy_brings_the_rows_back_and_is_no_load(people: World) -> None:
    run(people, "TRUNCATE people")
    run(people, "COPY people FROM 'people.csv' CSV")
    assert people.select("SELECT count(*) FROM people") == [(2,)]
    assert loads(people) == 1
    run(people, "COPY people FROM 'people.csv' CSV")
    assert people.select("SELECT count(*) FROM people") == [(4,)]


@pytest.mark.parametrize("made_by", ["", "CREATE TABLE people (id bigint, name varchar)"])
def test_a_table_that_was_dropped_is_another_one(people: World, made_by: str) -> None:
    run(people, "DROP TABLE people")
    if made_by:
        run(people, made_by)
    people.load(people.files / "people.csv", table="people")
    assert (people.select("SELECT count(*) FROM people"), loads(people)) == ([(2,)], 1)
