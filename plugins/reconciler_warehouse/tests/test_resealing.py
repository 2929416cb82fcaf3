"""A rotation's batches: stopped between any two, written to in between, tampered with; every key table is under the new
key at its end (RO1, I20)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from reconciler.errors import DamagedStore
from reconciler_warehouse.changes import resealing
from reconciler_warehouse.tests.left_overs import left_over
from reconciler_warehouse.tests.test_crashes import Case as CrashCase
from reconciler_warehouse.tests.test_crashes import k1, kill_everywhere, rotate
from reconciler_warehouse.tests.worlds import World

QUESTION = "SELECT count(*), sum(id) FROM flights"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)


def part(world: World, number: int) -> Path:
    rows = "".join(f"{100 * number + one},x,1.5\n" for one in range(100))
    return world.file(f"part{number}.csv", f"id,tail,delay\n{rows}")


def loaded(world: World) -> None:
    world.key("k2")
    world.create(k1(world))
    for number in range(7):
        world.load(part(world, number))
        if number == 4:
            world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    world.warehouse().execute(
        world.caller, "sales", "DELETE FROM flights WHERE id < 50", open_file=pytest.fail, token="delete"
    )


def keys_of_tables(world: World) -> set[str | None]:
    """The database keys that key tables and delete vectors of the cluster are under."""
    site = world.warehouse()._site
    with site.catalogue.read() as catalogue:
        assert catalogue is not None
        return {
            dek
            for (dek,) in catalogue.execute(
                """SELECT k.dek FROM segment s JOIN key_table k ON k.id = s.key_table
                   UNION SELECT v.dek FROM segment s JOIN delete_vector v ON v.id = s.delete_vector"""
            )
        }


def is_rotated(world: World) -> bool:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return keys_of_tables(world) == {found.dek_id} and found.status == "available"


def test_in_batches_and_written_to_in_between(world: World) -> None:
    loaded(world)
    written: list[int] = []

    def write_more() -> None:
        if len(written) < 3:
            written.append(10 + len(written))
            other = World(home=world.home, files=world.files)
            insert = f"INSERT INTO flights VALUES ({written[-1] * 1000}, 'y', 2.5)"  # noqa: S608  # the test's own
            other.warehouse().execute(
                other.caller, "sales", insert, open_file=pytest.fail, token=f"insert {written[-1]}"
            )
            other.reopen()

    world.checkpoint = write_more
    rotate(world)
    assert len(written) == 3
    assert is_rotated(world)
    assert world.select("SELECT count(*) FROM flights") == [(653,)]
    assert left_over(world) == {}


def test_what_was_numbered_anew_meanwhile_is_left_and_found_again(world: World) -> None:
    """A process that is about to write a segment's next file took the number that this batch was sealed with."""
    loaded(world)
    taken: list[int] = []

    def take_numbers() -> None:
        if not taken:
            with closing(sqlite3.connect(world.folder() / "catalogue.db")) as catalogue, catalogue:
                taken.append(catalogue.execute("UPDATE segment SET next_generation = next_generation + 1").rowcount)

    world.checkpoint = take_numbers
    rotate(world)
    assert taken == [7]
    assert is_rotated(world)
    site = world.warehouse()._site
    with site.catalogue.read() as catalogue:
        assert catalogue is not None
        behind = catalogue.execute(
            "SELECT 1 FROM segment s JOIN key_table k ON k.id = s.key_table WHERE k.generation >= s.next_generation"
        )
        assert behind.fetchone() is None


class Stopped(Exception):
    pass


def test_stopped_after_any_batch_it_goes_on_with_the_next(world: World, quick: Path) -> None:
    loaded(world)
    answer = world.select(QUESTION)
    world.reopen()
    stops = 0
    while True:
        home = Path(shutil.copytree(world.home, quick / f"stopped{stops}"))
        stopping = World(home=home, files=world.files)
        left = [stops]

        def stop(left: list[int] = left) -> None:
            if left[0] == 0:
                raise Stopped
            left[0] -= 1

        stopping.checkpoint = stop
        try:
            rotate(stopping)
        except Stopped:
            stops += 1
        else:
            break
        finally:
            stopping.checkpoint = lambda: None
            stopping.reopen()
        assert stopping.select(QUESTION) == answer
        rotate(stopping)
        assert is_rotated(stopping)
        assert stopping.select(QUESTION) == answer
        assert left_over(stopping) == {}
        stopping.reopen()
    assert stops >= 4


def test_killed_anywhere_the_same_call_converges(quick: Path) -> None:
    def check(case: CrashCase, world: World) -> None:
        assert is_rotated(world)
        assert world.select("SELECT count(*) FROM flights") == [(650,)]
        assert left_over(world) == {}

    case = CrashCase(loaded, rotate, 0, reads_go_on=False)
    kill_everywhere(case, quick, check)


TAMPERINGS: dict[str, str] = {
    "a body": "UPDATE key_table SET body = zeroblob(length(body)) WHERE id = (SELECT max(id) FROM key_table)",
    "another's body": """UPDATE key_table SET body = (SELECT body FROM key_table ORDER BY id LIMIT 1)
        WHERE id = (SELECT max(id) FROM key_table)""",
    "another's table": "UPDATE segment SET key_table = (SELECT min(key_table) FROM segment) WHERE ordinal = 6",
    "a generation": "UPDATE key_table SET generation = generation + 1 WHERE id = (SELECT max(id) FROM key_table)",
    "a segment less": "DELETE FROM segment WHERE ordinal = 6",
}


@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=TAMPERINGS)
def test_what_was_tampered_with_is_not_sealed_again(world: World, tampering: str) -> None:
    loaded(world)
    world.reopen()
    with closing(sqlite3.connect(world.folder() / "catalogue.db")) as catalogue, catalogue:
        catalogue.execute(tampering)
    with pytest.raises(DamagedStore):
        rotate(world)
    with pytest.raises(DamagedStore):
        world.select(QUESTION)


def test_a_segment_that_got_the_numbers_of_one_that_went_keeps_its_own_key_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of the catalogue's rows are given again when the highest go: one says which row, not which segment."""
    world.key("k2")
    world.create(k1(world))
    send(world, "CREATE TABLE flights (id int)")
    send(world, "TRUNCATE flights")
    original, replaced = resealing._resealed, list[str]()

    def overtaken(*given: Any) -> list[bytes]:
        if not replaced:
            replaced.append("all of its rows")
            other = World(home=world.home, files=world.files)
            send(other, "TRUNCATE flights")
            other.reopen()
        return original(*given)

    monkeypatch.setattr(resealing, "_resealed", overtaken)
    rotate(world)
    assert replaced
    assert is_rotated(world)
    assert world.select("SELECT count(*) FROM flights") == [(0,)]
    assert left_over(world) == {}


def send(world: World, statement: str) -> None:
    world.warehouse().execute(world.caller, "sales", statement, open_file=pytest.fail, token=statement + str(uuid4()))
