"""Statements killed with SIGKILL at any moment, beside others that change and read the same tables: a programme.

``python -m reconciler_warehouse.tests.statement_life FOLDER KILLS SEED [KIND…]`` prints what it did as JSON; fails with
an AssertionError when a row was lost or doubled, or an answer was of half a statement. Every process is a fork of this
one, which opens no store itself: a connection must not be carried over a fork.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler_warehouse.tests.statement_worlds import changed, run, site_of
from reconciler_warehouse.tests.worlds import OWNED, World
from reconciler_warehouse.writing import compaction, executing, joinable
from tests.faults.failpoints import ended

ACCOUNTS, EACH = 8, 100
READY = executing.ATTEMPTS  # every engine is loaded before the first fork
ROWS = 40
ACCOUNTS_OF_ALL = "CREATE TABLE accounts AS SELECT x AS id, 100 AS balance FROM digits WHERE x < 8"
Act = Callable[[World, int], object]


@dataclass(frozen=True)
class Kind:
    """One kind of statement. ``prepare`` comes before each, ``check`` asks what must be so after it, once."""

    act: Act
    check: Callable[[World, int], bool]
    prepare: Act = lambda world, number: None


def one(world: World, query: str) -> int:
    return int(world.select(query)[0][0] or 0)


def statement(text: str) -> Act:
    return lambda world, number: run(world, text.format(n=number), token=f"victim-{number}-{text}")


def there(query: str, expected: int) -> Callable[[World, int], bool]:
    return lambda world, number: one(world, query.format(n=number)) == expected


def is_gone(world: World, number: int) -> bool:
    return f"d{number}" not in [table.name for table in world.warehouse().describe_clusters(world.caller)[0].tables]


def fill_short(world: World, number: int) -> None:
    run(world, "CREATE TABLE IF NOT EXISTS short (id int)")
    for _ in range(joinable.FEWEST):
        run(world, f"INSERT INTO short VALUES ({number})")  # noqa: S608  # a test


def compact(world: World, number: int) -> list[str | None]:
    return [compaction.compact(site_of(world), due) for due in joinable.due(site_of(world))]


def make_file(world: World, number: int) -> None:
    world.file(f"{number}.csv", "id,place\n" + "".join(f"{number},{place}\n" for place in range(ROWS)))


KINDS = {
    "INSERT": Kind(
        statement("INSERT INTO notes VALUES ({n}, -1)"), there("SELECT count(*) FROM notes WHERE id = {n}", 1)
    ),
    "INSERT SELECT": Kind(
        statement("INSERT INTO notes SELECT {n}, a.x + 10 * b.x FROM digits a, digits b"),
        there("SELECT count(DISTINCT place) + count(*) FROM notes WHERE id = {n}", 200),
    ),
    "COPY": Kind(
        statement("COPY notes FROM '{n}.csv'"), there("SELECT count(*) FROM notes WHERE id = {n}", ROWS), make_file
    ),
    "UPDATE": Kind(statement("UPDATE counter SET n = n + 1"), lambda world, number: True),
    "DELETE": Kind(
        statement("DELETE FROM notes WHERE id = {n} AND place % 2 = 0"),
        there("SELECT count(*) FROM notes WHERE id = {n}", 50),
        statement("INSERT INTO notes SELECT {n}, a.x + 10 * b.x FROM digits a, digits b /* to delete */"),
    ),
    "CREATE TABLE": Kind(statement("CREATE TABLE t{n} (a int)"), there("SELECT count(*) FROM t{n}", 0)),
    "CREATE TABLE AS": Kind(
        statement("CREATE TABLE c{n} AS SELECT a.x FROM digits a, digits b"),
        there("SELECT count(*) FROM c{n}", 100),
    ),
    "DROP TABLE": Kind(
        statement("DROP TABLE d{n}"),
        is_gone,
        lambda world, number: run(world, f"CREATE TABLE d{number} AS SELECT 1 AS a"),
    ),
    "TRUNCATE": Kind(
        statement("TRUNCATE emptied"),
        there("SELECT count(*) FROM emptied", 0),
        lambda world, number: run(world, "INSERT INTO emptied VALUES (1), (2)"),
    ),
    "compaction": Kind(compact, there("SELECT count(*) FROM short WHERE id = {n}", joinable.FEWEST), fill_short),
}


@dataclass
class Life:
    """One warehouse and all who use it."""

    home: Path
    files: Path
    chance: random.Random
    kills: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000, 10**9)))
    counted: int = 0

    def ask(self, act: Callable[[World], object]) -> object:
        """Done in a process of its own, to its end."""
        return ended(lambda: self._with_world(act))

    def _with_world(self, act: Callable[[World], object]) -> object:
        world = World(home=self.home, files=self.files)
        try:
            return act(world)
        finally:
            world.reopen()

    def begin(self) -> None:
        """The tables."""

        def make(world: World) -> None:
            world.create(OWNED)
            run(world, "CREATE TABLE digits AS " + " UNION ALL ".join(f"SELECT {digit} AS x" for digit in range(10)))
            run(world, "CREATE TABLE notes (id int, place int)")
            run(world, "CREATE TABLE emptied (a int)")
            run(world, "CREATE TABLE counter AS SELECT 0 AS n")
            run(world, ACCOUNTS_OF_ALL)

        self.ask(make)

    def kill_one(self, name: str) -> bool:
        """A statement of that kind, killed somewhere and sent again; whether it was killed under way."""
        kind, number = KINDS[name], next(self.numbers)
        self.ask(lambda world: kind.prepare(world, number) and None)
        killed = self._killed(lambda world: kind.act(world, number))
        self.counted += name == "UPDATE"
        self.ask(lambda world: kind.act(world, number) and None)
        assert self.ask(lambda world: kind.act(world, number) is None or kind.check(world, number)), (name, number)
        self.kills[name] = self.kills.get(name, 0) + killed
        return killed

    def _killed(self, act: Callable[[World], object]) -> bool:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self._with_world(act)
                code = 0
            finally:
                os._exit(code)
        time.sleep(self.chance.expovariate(1 / 0.06))
        os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in {0, -signal.SIGKILL}, status
        return status == -signal.SIGKILL

    @contextmanager
    def beside(self, act: Callable[[World, int], None], done: Path) -> Iterator[None]:
        """Somebody who does this again and again, and notes in ``done`` how often, until the block has ended."""
        stop = done.with_suffix(".stop")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self._with_world(lambda world: _again(world, act, stop, done))
                code = 0
            finally:
                os._exit(code)
        try:
            yield
        finally:
            stop.touch()
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == 0, done.name


def _again(world: World, act: Callable[[World, int], None], stop: Path, done: Path) -> None:
    count = 0
    while not stop.exists():
        act(world, count)
        count += 1
        time.sleep(0.05)
    done.write_text(str(count))


def write(world: World, count: int) -> None:
    """Money goes from one account to another in one statement, and the counter is shared with the victims."""
    source, target = count % ACCOUNTS, (count + 3) % ACCOUNTS
    assert (
        changed(
            world,
            f"""UPDATE accounts SET balance = CASE WHEN id = {source} THEN balance - 1 ELSE balance + 1 END
            WHERE id IN ({source}, {target})""",  # noqa: S608  # a test
            token=f"transfer-{count}",
        )
        == 2
    )
    assert changed(world, "UPDATE counter SET n = n + 1", token=f"count-{count}") == 1


def read(world: World, count: int) -> None:
    """No answer is of half a statement."""
    assert world.select("SELECT count(*), sum(balance) FROM accounts") == [(ACCOUNTS, ACCOUNTS * EACH)]
    assert one(world, "SELECT count(*) FROM counter") == 1


def live(folder: Path, kills: int, seed: int, kinds: Sequence[str]) -> dict[str, object]:
    """Kill each kind so often, and see that nothing was lost or doubled."""
    (folder / "files").mkdir(parents=True)
    life = Life(home=folder / "home", files=folder / "files", chance=random.Random(seed))  # noqa: S311  # a test
    life.begin()
    with life.beside(write, folder / "written"), life.beside(read, folder / "read"):
        for name in kinds:
            while life.kills.get(name, 0) < kills:
                life.kill_one(name)
    written, reads = (int((folder / name).read_text()) for name in ("written", "read"))
    assert life.ask(lambda world: one(world, "SELECT n FROM counter")) == life.counted + written
    life.ask(lambda world: read(world, 0))
    life.ask(lambda world: world.warehouse().clear_up())
    assert life.ask(left_behind) == []
    return {"kills": life.kills, "written": written, "reads": reads}


def left_behind(world: World) -> list[str]:
    """Files that nothing refers to, and rows that nothing points at."""
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        known = {
            row[0] for row in catalogue.execute("SELECT file FROM segment UNION SELECT file FROM snapshot_segment")
        }
        kept = {row[0] for row in catalogue.execute("SELECT file FROM inline")}
        lost = catalogue.execute(
            """SELECT 'vector ' || id FROM delete_vector WHERE id NOT IN
               (SELECT delete_vector FROM segment WHERE delete_vector IS NOT NULL)
               UNION SELECT 'key table ' || id FROM key_table WHERE id NOT IN (SELECT key_table FROM segment)"""
        ).fetchall()
    return sorted({*world.data_files(), *kept} - known) + [row[0] for row in lost]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(live(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or [*KINDS])))
