"""Two processes on one warehouse, each held up at any point while the other does its whole work (C6).

Either may be refused ("run the command again"); whatever happened, no row, no snapshot and no key is lost, and the same
call again goes through. A campaign tries every point instead of a few.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest

from reconciler.errors import ConflictException, ReconcilerError
from reconciler.providers.data import Root
from reconciler.providers.keys import KeyProvider
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault
from reconciler_warehouse import manifest, operations
from reconciler_warehouse.blocks.key_tables import open_table
from reconciler_warehouse.blocks.segment_files import StoredSegment
from reconciler_warehouse.keys.hierarchy import opened as opened_keys
from reconciler_warehouse.rows import cluster_named, segments_of_snapshot, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.tests.test_crashes import k1, loaded, modify, opened, re_encrypt, rotate, snapshot
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent
from reconciler_warehouse.upkeep.drafts import drafts
from tests.amounts import is_campaign

EXTRA = "id,tail,delay\n" + "".join(f"{number},CANARY-MORE-{number},1.5\n" for number in range(90_000, 90_100))
QUESTION = "SELECT count(*), sum(id) FROM flights"
BASE, MORE = [(5000, 12497500)], [(5100, 21502450)]


@dataclass
class HeldUp:
    """Counts the points at which a process may be held up: before each call of the key service or HSM and before each
    look at a store. At point ``at`` (from 0) the ``other`` does its work, once."""

    at: int | None = None
    other: Callable[[], object] = lambda: None
    count: int = 0
    _holding: int = 0
    _away: bool = False

    def point(self) -> None:
        if self._holding or self._away:
            return  # in a transaction, whose lock keeps the other off; or the other itself
        self.count += 1
        if self.at is not None and self.count == self.at + 1:
            self._away = True
            self.other()

    def watch(self, world: World) -> None:
        """Put points into everything that this world's warehouse does."""
        site = cast(Any, world.warehouse())._site
        site.catalogue, site.keyring = _Store(site.catalogue, self), _Store(site.keyring, self)
        keys: dict[int, KeyProvider] = {}
        calls = _Calls(self)
        world.wrap_keys = lambda inner: keys.setdefault(id(inner), failing_provider(inner, calls))
        world.hsm().before = lambda call: self.point()


@dataclass
class _Store:
    inner: Any
    held_up: HeldUp

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @contextmanager
    def read(self) -> Iterator[Any]:
        self.held_up.point()
        with self.inner.read() as connection:
            self.held_up._holding += 1
            try:
                yield connection
            finally:
                self.held_up._holding -= 1

    @contextmanager
    def write(self) -> Iterator[Any]:
        self.held_up.point()
        with self.inner.write() as connection:
            self.held_up._holding += 1
            try:
                yield connection
            finally:
                self.held_up._holding -= 1


class _Calls(Fault):
    """Calls of the key service: none fails, each is a point."""

    def __init__(self, held_up: HeldUp) -> None:
        super().__init__(lambda: AssertionError("none fails"))
        self._held_up = held_up

    def count(self, call: str) -> BaseException | None:
        self._held_up.point()
        return None


def load_more(world: World) -> object:
    return world.load(world.files / "more.csv")


def rotate_too(world: World) -> object:
    return world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate too")


def off_and_on(world: World) -> object:
    """Another process finishes what it finds, and takes the cluster through two more changes."""
    warehouse = world.warehouse()
    warehouse.modify_encryption(world.caller, "sales", NONE, progress=silent, token="off")
    return warehouse.modify_encryption(world.caller, "sales", OWNED, progress=silent, token="on")


def drop_snapshot(world: World) -> object:
    world.warehouse().delete_snapshot(world.caller, "snap")
    return None


def another_snapshot(world: World) -> object:
    return snapshot(world, "other")


@dataclass(frozen=True)
class Pair:
    prepare: Callable[[World], None]
    slow: Callable[[World], Any]
    others: tuple[Callable[[World], Any], ...] = field(default=())


SEALED, PLAIN = loaded(k1), loaded(lambda world: NONE, snapshots=0)

PAIRS = {
    "rotate": Pair(SEALED, rotate, (load_more, rotate_too, drop_snapshot, another_snapshot, off_and_on)),
    "switch": Pair(SEALED, modify(lambda world: OWNED), (load_more, rotate_too, drop_snapshot)),
    "re-encrypt": Pair(SEALED, re_encrypt, (load_more, drop_snapshot, another_snapshot, off_and_on)),
    "encrypt": Pair(PLAIN, modify(k1), (load_more, off_and_on, another_snapshot)),
    "decrypt": Pair(SEALED, modify(lambda world: NONE), (load_more, rotate_too, off_and_on)),
    "load": Pair(SEALED, load_more, (rotate, modify(lambda world: NONE), off_and_on, load_more)),
    "snapshot": Pair(SEALED, another_snapshot, (rotate, modify(lambda world: NONE), off_and_on, load_more)),
}


def each(pairs: Mapping[str, Pair]) -> list[Any]:
    """A case for each slow one and each other."""
    return [
        pytest.param(pair.prepare, pair.slow, other, id=f"{name}-{getattr(other, '__name__', 'modify')}-{number}")
        for name, pair in pairs.items()
        for number, other in enumerate(pair.others)
    ]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[World], None]], Path]:
    made: dict[Any, Path] = {}

    def prepare(how: Callable[[World], None]) -> Path:
        if how not in made:
            folder = tmp_path_factory.mktemp("prepared")
            (folder / "files").mkdir()
            world = opened(folder / "home", folder / "files")
            how(world)
            world.file("more.csv", EXTRA)
            world.reopen()
            made[how] = folder
        return made[how]

    return prepare


@pytest.mark.parametrize(("prepare", "slow", "other"), each(PAIRS))
def test_whoever_is_overtaken_loses_nothing(
    prepare: Callable[[World], None],
    slow: Callable[[World], Any],
    other: Callable[[World], Any],
    prepared: Callable[[Callable[[World], None]], Path],
    quick: Path,
) -> None:
    overtake_anywhere(prepared(prepare), quick, slow, other)


def overtake_anywhere(
    start: Path,
    quick: Path,
    slow: Callable[[World], Any],
    other: Callable[[World], Any],
    check: Callable[[World], None] = lambda world: None,
) -> None:
    """``check`` is what must hold beside, when all is over."""
    counted = HeldUp()
    run(start, quick / "counted", counted, slow, lambda: None)
    for at in few(counted.count):
        home = quick / str(at)
        more: list[bool] = [slow is load_more]

        def overtake(home: Path = home, more: list[bool] = more) -> None:
            world = opened(home, start / "files")
            try:
                other(world)
                more.append(other is load_more)
            except ReconcilerError:
                pass  # refused, and nothing done
            finally:
                world.reopen()

        refused = run(start, home, HeldUp(at), slow, overtake)
        after = opened(home, start / "files")
        try:
            if not refused or slow is not load_more:
                assert after.select(QUESTION) == (MORE if any(more) else BASE), at
            verify_snapshots(after)
            slow(after)
            assert after.select(QUESTION) == (MORE if any(more) else BASE), at
            verify_snapshots(after)
            for one in after.warehouse().key_uses():
                assert one.what != "cluster-key", "a wrapped key that nothing points at"
            check(after)
        finally:
            after.reopen()
        shutil.rmtree(home)


@pytest.mark.parametrize("root", [lambda world: OWNED, lambda world: world.partition("a")], ids=["owned", "hsm"])
def test_a_reader_is_not_refused_because_the_root_was_changed_under_it(
    root: Callable[[World], Root], prepared: Callable[[Callable[[World], None]], Path], quick: Path
) -> None:
    """The grant that the reader asks by may be retired by then: it asks by what there is now."""
    start, counted = prepared(SEALED), HeldUp()
    answers: list[object] = []

    def read(world: World) -> None:
        answers.append(world.select(QUESTION))

    run(start, quick / "counted", counted, read, lambda: None)
    for at in range(counted.count):
        home = quick / str(at)

        def switch(home: Path = home) -> None:
            world = opened(home, start / "files")
            modify(root)(world)
            world.reopen()

        assert not run(start, home, HeldUp(at), read, switch), at
        shutil.rmtree(home)
    assert answers == [BASE] * (counted.count + 1)
    assert counted.count > 2


def few(total: int) -> Iterator[int]:
    """Two points, elsewhere for each number of points; every one in a campaign."""
    yield from range(total) if is_campaign() else (total // 4, total * 2 // 3)


def run(start: Path, home: Path, held_up: HeldUp, slow: Callable[[World], Any], other: Callable[[], None]) -> bool:
    """Whether the slow one was refused."""
    shutil.copytree(start / "home", home)
    held_up.other = other
    world = opened(home, start / "files")
    held_up.watch(world)
    try:
        slow(world)
    except ReconcilerError:
        return True
    finally:
        world.reopen()
    return False


def verify_snapshots(world: World, region: str = HERE) -> None:
    """Each opens, to the last block."""
    site: Site = cast(Any, world.warehouse(region))._site
    for described in world.warehouse(region).describe_snapshots(world.caller):
        with opened_keys(site, described.uid, described.name) as deks:
            with site.catalogue.read() as catalogue:
                assert catalogue is not None
                row = snapshot_where(catalogue, "uid = ?", described.uid)
                assert row is not None
                manifest.check(catalogue, "snapshot", described.uid, described.name, deks)
                segments = segments_of_snapshot(catalogue, described.uid)
            for one in segments:
                identity = one.identity(row.origin)
                table = open_table(one.body, identity, one.generation, dek=one.dek, key=deks.get(one.dek or ""))
                with closing(StoredSegment(site.segments, one.file, table, identity.blocks())) as stored:
                    stored.check()


@contextmanager
def swept_by_nobody() -> Iterator[None]:
    """Everybody looked for leftovers just before, so what goes from now on is still to be swept by its own process."""
    with patch("reconciler_warehouse.order.sweep", lambda site: None):
        yield


def test_keys_made_before_the_old_ones_were_swept_are_not_swept_with_them(world: World) -> None:
    """One process has decrypted and is held up before it sweeps; another has swept before that, and encrypts now."""
    SEALED(world)
    with swept_by_nobody():
        off_and_on(world)
    another_snapshot(world)  # sweeps
    world.warehouse().delete_snapshot(world.caller, "other")
    assert world.select(QUESTION) == BASE
    verify_snapshots(world)


def test_a_copy_that_is_received_again_keeps_the_keys_that_came_with_it(world: World) -> None:
    SEALED(world)
    there = world.warehouse(THERE)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", there, grant=None, retention_days=7)

    def copy(token: str) -> object:
        return world.warehouse().copy_snapshot(world.caller, "snap", there, progress=silent, token=token)

    copy("first")
    with swept_by_nobody():
        there.delete_snapshot(world.caller, "snap")
        copy("second")
    there.delete_snapshot(world.caller, "nothing")  # sweeps
    verify_snapshots(world, THERE)


def test_a_change_is_not_begun_while_another_is_open(world: World) -> None:
    """Begun by another process since this one looked: two switches of one cluster would each retire what the other
    stands on."""
    SEALED(world)
    site: Site = cast(Any, world.warehouse())._site
    row = cluster_named(site, "sales")
    operations.begin(site, row, "first", operations.SWITCH, {"kind": "owned", "key": ""}, status="modifying")
    with pytest.raises(ConflictException, match="at the same time"):
        operations.begin(site, row, "second", operations.SWITCH, {"kind": "owned", "key": ""}, status="modifying")
    again = operations.begin(site, row, "first", operations.SWITCH, {"kind": "owned", "key": ""}, status="modifying")
    assert not again.finished


def began(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


PARENT = os.getppid()
OWNERS = {
    "alive": (began(PARENT) << 22 | PARENT, True),
    "alive, as far as is known": (PARENT, True),
    "dead, its id is another's by now": ((began(PARENT) - 1) << 22 | PARENT, False),
    "dead, its id is this one's by now": ((began(os.getpid()) - 1) << 22 | os.getpid(), False),
    "dead": (2**22 + 7, False),
}


@pytest.mark.parametrize(("process", "stays"), OWNERS.values(), ids=OWNERS)
def test_a_file_that_a_living_process_writes_is_not_swept(world: World, process: int, stays: bool) -> None:
    SEALED(world)
    name = f"{'ab' * 16}.1"
    world.reopen()
    with closing(sqlite3.connect(world.folder() / "catalogue.db", isolation_level=None)) as catalogue:
        catalogue.execute("INSERT INTO pending (file, process) VALUES (?, ?)", (name, process))
    path = world.folder() / "data" / name
    path.write_bytes(b"half of it")
    another_snapshot(world)
    assert path.exists() == stays


def test_what_is_being_written_names_the_process_and_when_it_began(world: World) -> None:
    SEALED(world)
    site: Site = cast(Any, world.warehouse())._site
    with drafts(site) as made:
        made.begin(f"{'ab' * 16}.1")
        with site.catalogue.read() as catalogue:
            assert catalogue is not None
            (owner,) = catalogue.execute("SELECT process FROM pending").fetchone()
    assert owner == began(os.getpid()) << 22 | os.getpid()
