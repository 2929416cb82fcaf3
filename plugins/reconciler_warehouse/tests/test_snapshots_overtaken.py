"""A restore, a schedule's snapshot or a removal that another process overtakes at any point: refused or done, nothing
lost, nothing left over (C6, I1)."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler_warehouse.tests.left_overs import left_over
from reconciler_warehouse.tests.test_crashes import QUESTION, k1, k2, loaded, opened, rotate
from reconciler_warehouse.tests.test_restoring import ask, restore, restore_table, take
from reconciler_warehouse.tests.test_schedule import HOURLY
from reconciler_warehouse.tests.test_two_processes import EXTRA, HeldUp, off_and_on, run, verify_snapshots
from reconciler_warehouse.tests.worlds import HERE, THERE, World, silent
from tests.amounts import amount, is_campaign

Work = Callable[[World], Any]


def prepare(world: World) -> None:
    """A cluster that copies its snapshots, one of them there, and one that is due."""
    loaded(k1, snapshots=0)(world)
    k2(world)
    world.file("more.csv", EXTRA)
    take(world)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=None, retention_days=7)
    world.warehouse().set_snapshot_schedule(world.caller, "sales", HOURLY)


def restored(world: World) -> object:
    return restore(world, k2(world))


def same_name(world: World) -> object:
    """Another call for a cluster of that name: what is unfinished is not in its way."""
    return world.create(k1(world), "again", "other")


def drop_snapshot(world: World) -> None:
    world.warehouse().delete_snapshot(world.caller, "snap")


def drop_cluster(world: World) -> None:
    world.warehouse().delete_cluster(world.caller, "sales")


def load(world: World) -> object:
    return world.load(world.files / "more.csv")


def due(world: World) -> object:
    world.clock.advance(hours=1)
    return world.warehouse().do_due_work(world.caller, progress=silent)


def copied(world: World) -> object:
    return world.warehouse().copy_snapshot(world.caller, "snap", world.warehouse(THERE), progress=silent, token="copy")


PAIRS: dict[str, tuple[Work, tuple[Work, ...]]] = {
    "restore": (restored, (same_name, drop_snapshot, restored, rotate, off_and_on, drop_cluster)),
    "restore a table": (restore_table, (rotate, drop_snapshot, off_and_on, load, restore_table)),
    "due": (due, (due, rotate, load, drop_cluster)),
    "drop the snapshot": (drop_snapshot, (restored, restore_table, drop_cluster, copied, drop_snapshot)),
    "drop the cluster": (drop_cluster, (restored, take)),
    "create": (same_name, (restored, same_name)),
    "copy": (copied, (drop_snapshot, rotate, copied)),
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "files").mkdir()
    world = opened(folder / "home", folder / "files")
    prepare(world)
    world.reopen()
    return folder


@pytest.mark.parametrize(
    ("slow", "other"),
    [
        pytest.param(slow, other, id=f"{name}-{other.__name__}")
        for name, (slow, others) in PAIRS.items()
        for other in others[: amount(1, len(others))]
    ],
)
def test_whoever_is_overtaken_loses_nothing_and_leaves_nothing(
    slow: Work, other: Work, start: Path, quick: Path
) -> None:
    counted = HeldUp()
    run(start, quick / "counted", counted, slow, lambda: None)
    for at in range(0, counted.count, 1 + counted.count // 12) if is_campaign() else [counted.count * 2 // 3]:
        home = quick / str(at)

        def overtake(home: Path = home) -> None:
            world = opened(home, start / "files")
            with contextlib.suppress(ReconcilerError):  # refused, and nothing done
                other(world)
            world.reopen()

        run(start, home, HeldUp(at), slow, overtake)
        after = opened(home, start / "files")
        try:
            everything_answers(after)
            with contextlib.suppress(ReconcilerError):  # what it needs may be gone
                slow(after)
            everything_answers(after)
            assert left_over(after) == left_over(after, THERE) == {}, at
        finally:
            after.reopen()
        shutil.rmtree(home)


def everything_answers(world: World) -> None:
    for region in (HERE, THERE):
        verify_snapshots(world, region)
        for cluster in world.warehouse(region).describe_clusters(world.caller):
            assert cluster.status == "available"
            for table in cluster.tables:
                query = QUESTION.replace("flights", table.name)
                ((count, *_),) = world.warehouse(region).select(world.caller, cluster.name, query).rows
                assert count in (5000, 5001) or cluster.name == "sales"
    if world.warehouse().describe_clusters(world.caller, ["sales"]):
        assert ask(world, "sales")[0][0] >= 5000
