"""A cluster whose encryption is changed again and again, by processes that are killed, while others write and read it.

    python -m reconciler_warehouse.tests.online_life FOLDER KILLS SEED

Forks processes, each of which opens the warehouse by itself: two that write, one that reads, one that changes the
encryption or its keys. Any of them is killed at any moment and begun again; whoever makes a change at least KILLS times
in each kind of change. Prints what happened as JSON. Exits with 1 and says so when a row was lost or doubled, a reader
saw half of a statement, or plaintext was left.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from reconciler.errors import ConflictException
from reconciler.host.clock import SystemClock
from reconciler_warehouse.config import MigrationConfig, WarehouseConfig
from reconciler_warehouse.online import workers
from reconciler_warehouse.rows import segments_of_cluster
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, World, silent

CANARY: Final = b"PLAINTEXT-CANARY"
FILES: Final = 10
PAIRS: Final = 20  # in each of these files
WRITERS: Final = 2
KINDS: Final = ("encrypt", "switch", "rotate", "re-encrypt", "decrypt")
BYSTANDERS: Final = ("reader", *(f"writer-{number}" for number in range(WRITERS)))
KILLS_OF_ONE: Final = 5  # of one change, so that later ones meet later moments
LONGEST: Final = 120.0


def opened(folder: Path) -> World:
    """The warehouse, as a process that begins opens it."""
    config = WarehouseConfig(migration=MigrationConfig(workers=2))
    clock = cast(Any, SystemClock())
    return World(home=folder / "home", files=folder / "files", clock=clock, configs={HERE: config})


def run(world: World, statement: str, token: str) -> None:
    def no_file(name: str) -> NoReturn:
        raise AssertionError(name)

    world.warehouse().execute(world.caller, "sales", statement, open_file=no_file, token=token)


# --- what the processes do --------------------------------------------------------------------------------------------


def fill(folder: Path) -> None:
    """Segments in files and some in the catalogue; each pair of rows adds up to nothing."""
    world = opened(folder)
    world.create(NONE)
    for number in range(FILES):
        lines = "".join(f"-1,{row},{CANARY.decode()}\n-1,{-row},{CANARY.decode()}{number}\n" for row in range(PAIRS))
        world.load(world.file(f"{number}.csv", f"id,v,canary\n{lines}"))
    for row in range(4):
        run(world, f"INSERT INTO flights VALUES (-1, {row}, 'x'), (-1, {-row}, 'x')", f"fill/{row}")  # noqa: S608
    world.reopen()


def write(folder: Path, writer: int) -> None:
    """Pairs of rows, some of which go again; a line for each statement that was acknowledged. Begun again after a kill,
    the statement that was under way is run once more, with its token."""
    world = opened(folder)
    acknowledged = folder / f"acknowledged-{writer}"
    while not (folder / "stop").exists():
        number = len(acknowledged.read_bytes().splitlines()) if acknowledged.exists() else 0
        identity = writer * 1_000_000 + number
        if number % 4 == 3:
            statement = f"DELETE FROM flights WHERE id = {identity - 2}"  # noqa: S608  # a number
        else:
            value = number + 1
            rows = ", ".join(f"({identity}, {sign}{value}, '{CANARY.decode()}')" for sign in ("", "-"))
            statement = f"INSERT INTO flights VALUES {rows}"  # noqa: S608  # numbers
        run(world, statement, f"writer/{writer}/{number}")
        with acknowledged.open("ab") as file:
            file.write(b"%d\n" % number)
        time.sleep(0.01)
    world.reopen()


def read(folder: Path) -> None:
    """Each answer is of one moment: statements add and take away pairs that add up to nothing."""
    world = opened(folder)
    while not (folder / "stop").exists():
        ((count, total),) = world.select("SELECT count(*), sum(v) FROM flights")
        assert count % 2 == 0, f"half of a statement: {count} rows"
        assert total == 0, f"half of a statement: {total}"
        with (folder / "reads").open("ab") as file:
            file.write(b".")
        time.sleep(0.02)
    world.reopen()


def change(folder: Path, kind: str, token: str) -> None:
    """One commit for each segment, and a moment between them, so that a kill comes anywhere."""
    world = opened(folder)
    world.checkpoint = lambda: time.sleep(0.01)
    cast(Any, workers).MOST = 1
    for _ in range(20):
        try:
            _change(world, kind, token)
            break
        except ConflictException as conflict:
            sys.stderr.write(f"{kind}: {conflict.summary}\n")
    else:
        raise AssertionError(f"{kind} does not come to its end")
    world.reopen()


def _change(world: World, kind: str, token: str) -> None:
    warehouse = world.warehouse()
    if kind == "re-encrypt":
        warehouse.re_encrypt(world.caller, "sales", progress=silent, token=token)
    elif kind == "rotate":
        warehouse.rotate_encryption_key(world.caller, "sales", progress=silent, token=token)
    else:
        root = {"encrypt": OWNED, "decrypt": NONE}.get(kind) or world.key("k1")
        warehouse.modify_encryption(world.caller, "sales", root, progress=silent, token=token)


def check(folder: Path, kind: str) -> None:
    """All is in its new form, and nothing of the old one is left."""
    world = opened(folder)
    (described,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    assert described.status == "available", described.status
    assert not described.awaits_snapshot
    assert described.encrypted == (kind != "decrypt")
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        deks = {one.dek for one in segments_of_cluster(catalogue, described.uid)}
        assert deks == {described.dek_id}, f"{len(deks)} forms"
        vectors = {
            dek
            for (dek,) in catalogue.execute(
                "SELECT v.dek FROM segment s JOIN delete_vector v ON v.id = s.delete_vector"
            )
        }
        assert vectors <= {described.dek_id}
        assert catalogue.execute("SELECT count(*) FROM lease").fetchone() == (0,)
    world.reopen()
    if kind != "decrypt":
        for path in (folder / "home").rglob("*"):
            try:
                found = path.is_file() and CANARY in path.read_bytes()
            except FileNotFoundError:
                continue
            assert not found, f"{path} holds plaintext"


def check_rows(folder: Path) -> None:
    """Exactly what was acknowledged, each once; no file that nothing refers to."""
    world = opened(folder)
    wanted: Counter[int] = Counter({-1: FILES * PAIRS * 2 + 8})
    for writer in range(WRITERS):
        path = folder / f"acknowledged-{writer}"
        for number in range(len(path.read_bytes().splitlines()) if path.exists() else 0):
            identity = writer * 1_000_000 + number
            if number % 4 == 3:
                del wanted[identity - 2]
            else:
                wanted[identity] = 2
    found = Counter(dict(world.select("SELECT id, count(*) FROM flights GROUP BY id")))
    assert found == wanted, f"lost {wanted - found}, doubled {found - wanted}"
    world.warehouse().clear_up()
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        referred = {
            file for (file,) in catalogue.execute("SELECT file FROM segment UNION SELECT file FROM snapshot_segment")
        }
        inline = {file for (file,) in catalogue.execute("SELECT file FROM inline")}
        assert catalogue.execute("SELECT count(*) FROM pending").fetchone() == (0,)
    assert set(world.data_files()) | inline == referred, "orphans"
    assert list((world.folder() / "pins").iterdir()) == []
    world.reopen()


# --- who forks and kills them -----------------------------------------------------------------------------------------


@dataclass
class Life:
    folder: Path
    chance: random.Random
    running: dict[str, int] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)

    def begin(self, what: str, work: Callable[[], None]) -> None:
        pid = os.fork()
        if pid:
            self.running[what] = pid
            return
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.write(f"in: {what}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def ended(self, what: str, within: float) -> bool:
        """Whether the process ended by itself in that time. SystemExit when it failed."""
        until = time.monotonic() + within
        while True:
            pid, status = os.waitpid(self.running[what], os.WNOHANG)
            if pid:
                del self.running[what]
                if os.waitstatus_to_exitcode(status) != 0:
                    self.end()
                    raise SystemExit(f"{what} failed")
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(0.002)

    def kill(self, what: str) -> None:
        pid = self.running.pop(what)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def through(self, what: str, work: Callable[[], None]) -> None:
        self.begin(what, work)
        if not self.ended(what, LONGEST):
            self.end()
            raise SystemExit(f"{what} does not come to its end")

    def end(self) -> None:
        for what in list(self.running):
            self.kill(what)

    def bystander(self, what: str) -> None:
        """One of those who read and write, begun or begun again."""
        work = (lambda: read(self.folder)) if what == "reader" else (lambda: write(self.folder, int(what[-1])))
        self.begin(what, work)

    def one_change(self, kind: str, kills: int) -> None:
        """The change, begun again after each kill, until there were ``kills`` of its kind; then carried through."""
        token = f"{kind}/{self.completed[kind]}"

        def work() -> None:
            change(self.folder, kind, token)

        self.begin(kind, work)
        while self.kills[kind] < kills and not self.ended(kind, self.chance.uniform(0.0, 0.3)):
            self.kill(kind)
            self.kills[kind] += 1
            if self.chance.random() < 0.2:
                victim = self.chance.choice(BYSTANDERS)
                self.kill(victim)
                self.kills["bystander"] += 1
                self.bystander(victim)
            self.begin(kind, work)
        if kind in self.running and not self.ended(kind, LONGEST):
            self.end()
            raise SystemExit(f"{kind} does not come to its end")
        self.completed[kind] += 1
        self.through("check", lambda: check(self.folder, kind))


def live(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """See above."""
    life = Life(folder, random.Random(seed))  # noqa: S311  # who is killed when
    (folder / "files").mkdir()
    life.through("fill", lambda: fill(folder))
    for what in BYSTANDERS:
        life.bystander(what)
    while any(life.kills[kind] < kills for kind in KINDS):
        for kind in KINDS:
            life.one_change(kind, min(kills, life.kills[kind] + KILLS_OF_ONE))
    (folder / "stop").touch()
    for what in BYSTANDERS:
        if not life.ended(what, LONGEST):
            life.end()
            raise SystemExit(f"{what} does not come to its end")
    life.through("check", lambda: check_rows(folder))
    acknowledged = sum(
        len(path.read_bytes().splitlines()) for path in folder.iterdir() if path.name.startswith("acknowledged")
    )
    return {
        "kills": dict(life.kills),
        "completed": dict(life.completed),
        "statements": acknowledged,
        "reads": len((folder / "reads").read_bytes()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(live(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
