"""A stop that was asked for ends a long operation at its next durable checkpoint; the same call goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.model.ports import StopRequested
from reconciler_warehouse.tests.worlds import NONE, OWNED, THERE, World, silent

FILES = 3
COUNT = "SELECT count(*), sum(id) FROM flights"


@dataclass
class Stop:
    """Asked for before the ``at``-th checkpoint, counted from 1; ``met`` of them were met."""

    at: int
    met: int = 0

    def __call__(self) -> None:
        self.met += 1
        if self.met == self.at:
            raise StopRequested


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "files").mkdir()
    return World(tmp_path / "home", tmp_path / "files")


def parts(world: World) -> list[Path]:
    return [world.file(f"{number}.csv", f"id,tail\n{number},part-{number}\n") for number in range(FILES)]


def encrypt(world: World) -> None:
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="encrypt")


def rotate(world: World) -> None:
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")


def load(world: World) -> None:
    world.load(*parts(world))


def copy(world: World) -> None:
    world.warehouse().copy_snapshot(world.caller, "first", world.warehouse(THERE), progress=silent, token="copy")


def plain(world: World) -> None:
    world.create(NONE)
    load(world)


def encrypted(world: World) -> None:
    world.create(OWNED)
    load(world)


def empty(world: World) -> None:
    world.create(OWNED)


def copying(world: World) -> None:
    encrypted(world)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    world.warehouse().create_snapshot(world.caller, "sales", "first", retention_days=None, token="first")


LONG = {"encrypt": (plain, encrypt), "rotate": (encrypted, rotate), "load": (empty, load), "copy": (copying, copy)}


@pytest.mark.parametrize("operation", LONG)
def test_it_stops_at_each_checkpoint_and_goes_on(operation: str, tmp_path: Path, world: World) -> None:
    before, run = LONG[operation]
    counting = Stop(at=0)
    before(world)
    world.checkpoint = counting
    run(world)
    assert counting.met, "an operation of several parts offers to stop between them"
    for at in range(1, counting.met + 1):
        again = another(tmp_path / str(at))
        before(again)
        stop = Stop(at)
        again.checkpoint = stop
        with pytest.raises(StopRequested):
            run(again)
        assert stop.met == at
        again.reopen()
        run(again)
        assert again.select(COUNT) == [(FILES, sum(range(FILES)))]
        cluster = again.warehouse().describe_clusters(again.caller)[0]
        assert (cluster.status, cluster.encrypted) == ("available", True)
        again.reopen()
    world.reopen()


def another(folder: Path) -> World:
    (folder / "files").mkdir(parents=True)
    return World(folder / "home", folder / "files")
