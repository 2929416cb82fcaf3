"""Statements at the same time come out as if they had run one after the other: each is overtaken by another just before
its commit, by a second process on the same warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciler.errors import ConflictException, ReconcilerError, ValidationException
from reconciler_warehouse import manifest
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.loading.new_segments import write_rows, write_segment
from reconciler_warehouse.tests.statement_worlds import changed, count, run, segments, site_of
from reconciler_warehouse.tests.worlds import NONE, OWNED, World, silent
from reconciler_warehouse.writing import commit as committing
from reconciler_warehouse.writing import compaction, executing, joinable

Act = Callable[[World], object]


@pytest.fixture(name="world")
def with_numbers(world: World) -> World:
    world.create(OWNED)
    run(world, "CREATE TABLE numbers (n int, name varchar(9))")
    run(world, "INSERT INTO numbers VALUES (1,'one'), (2,'two'), (3,'three')")
    return world


@pytest.fixture
def other(world: World) -> Iterator[World]:
    second = World(home=world.home, files=world.files)
    yield second
    second.reopen()


@pytest.fixture
def overtake(other: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Has the other process do these things, one before each attempt to commit; how many were done."""

    def plan(*acts: Act) -> list[int]:
        original, left, done = committing.commit, list(acts), [0]

        def late(*given: Any) -> Any:
            if left:
                act = left.pop(0)
                with monkeypatch.context() as undisturbed:
                    undisturbed.setattr(executing, "commit", original)
                    act(other)
                done[0] += 1
            return original(*given)

        monkeypatch.setattr(executing, "commit", late)
        return done

    return plan


def sent(statement: str) -> Act:
    return lambda world: run(world, statement)


def numbers(world: World) -> list[int]:
    return [row[0] for row in world.select("SELECT n FROM numbers ORDER BY n")]


NEXT = "INSERT INTO numbers SELECT max(n) + 1, 'next' FROM numbers"
CASES: dict[str, tuple[str, Act, int | None, list[int]]] = {
    "no update is lost": (
        *("UPDATE numbers SET n = n + 1 WHERE name = 'one'", sent("UPDATE numbers SET n = n + 1 WHERE name = 'one'")),
        *(1, [2, 3, 3]),
    ),
    "a row that is gone is not updated": (
        *("UPDATE numbers SET n = 10 WHERE n > 1", sent("DELETE FROM numbers WHERE n = 2"), 1, [1, 10]),
    ),
    "a row that came is updated": (
        *(
            "UPDATE numbers SET n = n + 10 WHERE n > 2",
            sent("INSERT INTO numbers VALUES (4,'four')"),
            2,
            [1, 2, 13, 14],
        ),
    ),
    "a row is deleted once": (*("DELETE FROM numbers WHERE n < 3", sent("DELETE FROM numbers WHERE n = 1"), 1, [3]),),
    "what another statement changed is deleted by what it is now": (
        *("DELETE FROM numbers WHERE n = 1", sent("UPDATE numbers SET n = 9 WHERE n = 1"), 0, [2, 3, 9]),
    ),
    "what is inserted is of what is there": (NEXT, sent(NEXT), 1, [1, 2, 3, 4, 5]),
    "rows that depend on nothing are both there": (
        *("INSERT INTO numbers VALUES (7,'x')", sent("INSERT INTO numbers VALUES (8,'y')"), 1, [1, 2, 3, 7, 8]),
    ),
    "a table that was emptied has the row that came after": (
        *("INSERT INTO numbers VALUES (7,'x')", sent("TRUNCATE numbers"), 1, [7]),
    ),
    "all rows are deleted, with those that came": (
        *("DELETE FROM numbers", sent("INSERT INTO numbers VALUES (8,'y')"), 4, []),
    ),
    "under the key of now": (
        "INSERT INTO numbers VALUES (7,'x')",
        lambda world: world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="r"),
        *(1, [1, 2, 3, 7]),
    ),
    "in the mode of now": (
        "UPDATE numbers SET n = 7 WHERE n = 3",
        lambda world: world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="off"),
        *(1, [1, 2, 7]),
    ),
    "segments that were joined have other places": (
        "DELETE FROM numbers WHERE n = 2",
        lambda world: joined(world, more=joinable.FEWEST),
        *(1, [1, 3, *range(100, 100 + joinable.FEWEST)]),
    ),
}


def joined(world: World, more: int = 0) -> None:
    for number in range(more):
        run(world, f"INSERT INTO numbers VALUES ({100 + number}, 'more')")  # noqa: S608  # a test
    site = site_of(world)
    for due in joinable.due(site):
        assert compaction.compact(site, due) is not None
    assert segments(world) == 1


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_comes_out_as_if_one_had_run_after_the_other(
    world: World, overtake: Callable[..., list[int]], case: tuple[str, Act, int | None, list[int]]
) -> None:
    statement, act, rows, expected = case
    done = overtake(act)
    assert changed(world, statement) == rows
    assert done == [1]
    assert numbers(world) == expected
    described = world.warehouse().describe_clusters(world.caller)[0]
    assert described.tables[0].rows == len(expected)
    assert count(world, "SELECT count(*) FROM key_table k JOIN cluster c WHERE k.dek IS NOT c.dek") == 0


REFUSED: dict[str, tuple[str, Act, str, list[int]]] = {
    "its table was dropped": (
        *("INSERT INTO numbers VALUES (7,'x')", sent("DROP TABLE numbers"), "no table numbers", []),
    ),
    "its table has other columns": (
        "UPDATE numbers SET name = 'x'",
        lambda world: (run(world, "DROP TABLE numbers"), run(world, "CREATE TABLE numbers AS SELECT 1 AS n")),
        *("no column name", [1]),
    ),
    "its table was made": (
        *("CREATE TABLE more AS SELECT 1 AS a", sent("CREATE TABLE more (b int)"), "a table more already", [1, 2, 3]),
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_can_no_longer_be_done_is_refused(
    world: World, overtake: Callable[..., list[int]], case: tuple[str, Act, str, list[int]]
) -> None:
    statement, act, reason, expected = case
    overtake(act)
    with pytest.raises(ValidationException, match=reason):
        run(world, statement)
    if expected:
        assert numbers(world) == expected


def test_who_was_overtaken_often_has_the_others_wait(world: World, overtake: Callable[..., list[int]]) -> None:
    """After three attempts the gate is closed: whoever comes then would wait, so nobody overtakes any more."""
    add = sent("UPDATE numbers SET n = n + 1 WHERE name = 'one'")
    done = overtake(add, add, add)
    assert changed(world, "UPDATE numbers SET n = n + 1 WHERE name = 'one'") == 1
    assert done == [3]
    assert numbers(world) == [2, 3, 5]


def test_the_same_call_in_two_processes_happens_once(world: World, overtake: Callable[..., list[int]]) -> None:
    statement = "INSERT INTO numbers VALUES (9,'nine')"
    overtake(lambda other: run(other, statement, token="same"))
    assert changed(world, statement, token="same") == 1
    assert numbers(world) == [1, 2, 3, 9]


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("UPDATE numbers SET n = 50 WHERE n = 1", 3 + joinable.FEWEST),
        ("DELETE FROM numbers WHERE n = 1", 2 + joinable.FEWEST),
        ("TRUNCATE numbers", 0),
    ],
)
def test_a_compaction_that_a_statement_overtakes_changes_nothing(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch, statement: str, rows: int
) -> None:
    for number in range(joinable.FEWEST):
        run(world, f"INSERT INTO numbers VALUES ({100 + number}, 'more')")  # noqa: S608  # a test

    def late(*given: Any) -> Any:
        written = write_rows(*given)
        monkeypatch.setattr("reconciler_warehouse.writing.compaction.write_rows", write_rows)
        run(other, statement)
        return written

    site = site_of(world)
    (due,) = joinable.due(site)
    monkeypatch.setattr("reconciler_warehouse.writing.compaction.write_rows", late)
    assert compaction.compact(site, due) is None
    assert len(numbers(world)) == rows
    world.warehouse().do_due_work(world.caller, progress=silent)
    assert len(numbers(world)) == rows


def test_what_a_killed_compaction_leaves_is_swept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*given: Any) -> Any:
        raise ReconcilerError("dead")

    world.load(world.file("a.csv"))
    run(world, "DELETE FROM flights WHERE id < 4000")
    monkeypatch.setattr(compaction, "append", dies)
    site = site_of(world)
    (due,) = joinable.due(site)
    with pytest.raises(ReconcilerError):
        compaction.compact(site, due)
    assert len(world.data_files()) == 1
    assert world.select("SELECT count(*) FROM flights") == [(1000,)]


@pytest.mark.parametrize("other_columns", ["CREATE TABLE flights (id int)", None])
def test_a_load_whose_table_was_exchanged_meanwhile_is_not_kept(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch, other_columns: str | None
) -> None:
    world.load(world.file("a.csv"))

    def late(*given: Any, **named: Any) -> Any:
        written = write_segment(*given, **named)
        monkeypatch.setattr("reconciler_warehouse.loading.loads.write_segment", write_segment)
        run(other, "DROP TABLE flights")
        if other_columns is not None:
            run(other, other_columns)
        return written

    monkeypatch.setattr("reconciler_warehouse.loading.loads.write_segment", late)
    with pytest.raises(ConflictException, match="was changed by another process"):
        world.load(world.file("b.csv", "id,tail,delay\n9,x,1.5\n"))
    tables = {table.name: table.rows for table in world.warehouse().describe_clusters(world.caller)[0].tables}
    assert tables == {"numbers": 3, **({} if other_columns is None else {"flights": 0})}


def test_of_two_files_that_give_a_table_its_columns_only_one_does(
    world: World, other: World, overtake: Callable[..., list[int]]
) -> None:
    """A load that was killed before its first row leaves a table without columns."""
    with site_of(world).catalogue.write() as catalogue:
        cluster, uid = catalogue.execute("SELECT uid FROM cluster").fetchone()[0], "f" * 32
        with opened(site_of(world), cluster, "it") as deks, manifest.changing(catalogue, cluster, deks):
            catalogue.execute("INSERT INTO data_table VALUES (?, ?, 'fresh', 1)", (uid, cluster))
    world.file("a.csv", "n\n1\n")
    world.file("b.csv", "word\nx\n")
    overtake(sent("COPY fresh FROM 'b.csv'"))
    with pytest.raises(ReconcilerError):
        run(world, "COPY fresh FROM 'a.csv'")
    assert world.select("SELECT * FROM fresh") == [("x",)]
