"""A stop that is asked for while a statement runs: it is not carried out, and nothing of it is left. The same call
does it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

import pytest

from reconciler.model.ports import StopRequested
from reconciler_warehouse.tests.statement_worlds import count, run, segments, site_of
from reconciler_warehouse.tests.worlds import OWNED, World
from reconciler_warehouse.upkeep import pins
from reconciler_warehouse.writing import executing

ROWS = [(1,), (2,), (3,)]
WITHOUT_END = "WITH RECURSIVE r AS (SELECT 1 AS id UNION ALL SELECT id FROM r) SELECT id FROM r"


class Asked:
    """A stop was asked for; engines are not interrupted, as in the moment before."""

    def is_asked(self) -> bool:
        return True

    def interrupted_by(self, act: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext()


class Interrupting:
    """Interrupts the first engine that there is; a stop was asked for from then on."""

    def __init__(self) -> None:
        self.timer: threading.Timer | None = None
        self.asked = False

    def is_asked(self) -> bool:
        return self.asked

    def interrupted_by(self, act: Callable[[], None]) -> AbstractContextManager[None]:
        def ask() -> None:
            self.asked = True
            act()

        self.timer = threading.Timer(0.2, ask)
        self.timer.start()
        return nullcontext()


@pytest.fixture(name="world")
def with_rows(world: World) -> World:
    world.create(OWNED)
    world.load(world.file("a.csv", "id\n1\n2\n3\n"))
    world.file("more.csv", "id\n" + "4\n" * 10)
    return world


CHANGES = {
    "INSERT INTO flights VALUES (4)": 4,
    "INSERT INTO flights SELECT id + 3 FROM flights": 6,
    "COPY flights FROM 'more.csv'": 13,
    "UPDATE flights SET id = id + 1": 3,
    "DELETE FROM flights WHERE id = 1": 2,
    "CREATE TABLE other AS SELECT * FROM flights": 3,
    "TRUNCATE flights": 0,
}


@pytest.mark.parametrize("statement", CHANGES)
def test_a_statement_that_is_asked_to_stop_changes_nothing_and_the_same_call_does_it(
    world: World, statement: str
) -> None:
    before, files = segments(world), world.data_files()
    with patch.object(site_of(world), "interruptible", Asked()), pytest.raises(StopRequested):
        run(world, statement, token="one")
    assert world.select("SELECT id FROM flights ORDER BY id") == ROWS
    assert (segments(world), world.data_files()) == (before, files)
    assert count(world, "SELECT count(*) FROM pending") == 0
    run(world, statement, token="one")
    assert world.select("SELECT count(*) FROM flights") == [(CHANGES[statement],)]


def test_what_is_copied_is_asked_between_its_rows(world: World) -> None:
    with (
        patch.object(site_of(world), "interruptible", Asked()),
        patch.object(executing, "require_not_stopped"),
        pytest.raises(StopRequested),
    ):
        run(world, "COPY flights FROM 'more.csv'")


@pytest.mark.parametrize("statement", [WITHOUT_END, f"INSERT INTO flights {WITHOUT_END}"])
def test_an_engine_that_would_go_on_for_ever_is_interrupted(world: World, statement: str) -> None:
    site = site_of(world)
    with patch.object(site, "interruptible", Interrupting()), pytest.raises(StopRequested):
        run(world, statement)
    assert world.select("SELECT id FROM flights ORDER BY id") == ROWS
    assert count(world, "SELECT count(*) FROM pending") == 0
    assert list((site.folder / pins.FOLDER).iterdir()) == []
