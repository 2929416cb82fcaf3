"""A kill at any effect of any statement, then the same call again: done once, and nothing left behind (I1, I11, I14).

As ``test_crashes``: from one effect on (a COMMIT of a store, a change of the disk) nothing happens any more. A campaign
tries every effect instead of a few. Here statements write files, too: small segments are not kept in the catalogue.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_warehouse.tests.statement_life import left_behind
from reconciler_warehouse.tests.statement_worlds import run, site_of
from reconciler_warehouse.tests.test_crashes import Death, chosen, opened
from reconciler_warehouse.tests.worlds import OWNED, World
from reconciler_warehouse.writing import compaction, joinable
from tests.amounts import is_campaign

QUESTION = "SELECT count(*), sum(id), min(tail), max(tail) FROM flights"
BEFORE = (5000, 12497500, "CANARY-TAIL-00000", "CANARY-TAIL-04999")


@dataclass(frozen=True)
class Case:
    """``statement`` (None: a compaction), and what ``ask`` is answered before and after it."""

    statement: str | None
    after: tuple[object, ...]
    ask: str = QUESTION
    before: tuple[object, ...] = BEFORE


CASES = {
    "insert": Case("INSERT INTO flights VALUES (9999, 'Z', 1)", (5001, 12507499, BEFORE[2], "Z")),
    "insert a query": Case("INSERT INTO flights SELECT * FROM flights", (10000, 2 * 12497500, *BEFORE[2:])),
    "copy": Case("COPY flights FROM 'a.csv'", (10000, 2 * 12497500, *BEFORE[2:])),
    "update": Case("UPDATE flights SET id = id + 1 WHERE id % 2 = 0", (5000, 12500000, *BEFORE[2:])),
    "delete": Case("DELETE FROM flights WHERE id >= 10", (10, 45, BEFORE[2], "CANARY-TAIL-00009")),
    "delete all": Case("DELETE FROM flights", (0, None, None, None)),
    "create a table": Case("CREATE TABLE made (a int)", (1,), "SELECT count(*) FROM flights WHERE id = 7", (1,)),
    "create a table of a query": Case("CREATE TABLE made AS SELECT * FROM flights", BEFORE),
    "truncate": Case("TRUNCATE flights", (0, None, None, None)),
    "drop another table": Case("DROP TABLE notes", BEFORE),
    "compaction": Case(None, BEFORE),
}


def act(world: World, case: Case) -> None:
    if case.statement is not None:
        run(world, case.statement, token="the call")
        return
    for due in joinable.due(site_of(world)):
        compaction.compact(site_of(world), due)


@pytest.fixture
def prepared(quick: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Flights in a file, of which some were deleted and came back; another table."""
    monkeypatch.setattr("reconciler_warehouse.loading.new_segments.INLINE_BYTES", 900)
    (quick / "files").mkdir()
    world = opened(quick / "prepared", quick / "files")
    world.create(OWNED)
    world.load(world.file("a.csv"))
    run(world, "CREATE TABLE notes AS SELECT * FROM flights WHERE id >= 2000")
    run(world, "DELETE FROM flights WHERE id >= 2000")
    run(world, "INSERT INTO flights SELECT * FROM notes")
    world.reopen()
    yield quick


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_killed_anywhere_it_is_done_once_when_it_is_sent_again(case: Case, prepared: Path) -> None:
    death = Death()
    with watched_sqlite(death.statement):
        world = opened(Path(shutil.copytree(prepared / "prepared", prepared / "counted")), prepared / "files", death)
        act(world, case)
        total = death.count
        world.reopen()
    for at in chosen(total) if is_campaign() else sorted({total // 2, total - 1}):
        home = Path(shutil.copytree(prepared / "prepared", prepared / f"killed-{at}"))
        death = Death(at)
        with watched_sqlite(death.statement):
            world = opened(home, prepared / "files", death)
            with contextlib.suppress(Exception):  # whatever a dead disk makes of it
                act(world, case)
            assert death.came
            world.reopen()
        again = opened(home, prepared / "files")
        try:
            assert again.select(case.ask)[0] in {case.before, case.after}, "whole or not at all"
            for _ in range(2):
                act(again, case)
                assert again.select(case.ask) == [case.after]
            again.warehouse().clear_up()
            assert left_behind(again) == []
        finally:
            again.reopen()
        shutil.rmtree(home)
