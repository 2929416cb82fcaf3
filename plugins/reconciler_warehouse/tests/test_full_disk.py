"""A disk that is full, at each operation that changes a warehouse: one clear error, nothing lost and nothing half done;
with room again the same call does it (C3)."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.errors import HostError
from reconciler.host import sqlite
from reconciler.host.os_fs import OsFs
from reconciler.providers.data import ClusterRequest
from reconciler.providers.warehouse import ExportForm, SnapshotSchedule
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.quick_folder import quick_folder
from reconciler_warehouse.tests.statement_worlds import run
from reconciler_warehouse.tests.worlds import CSV, NONE, OWNED, THERE, World, silent
from tests.amounts import is_campaign

Do = Callable[[World], object]
ROWS = [(5000, 12497500)]
QUESTION = "SELECT count(*), sum(id) FROM flights"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """``do`` is repeated as it is; ``after`` is what the flights are then."""

    do: Do
    after: list[tuple[Any, ...]]
    plain: bool = False


def statement(text: str) -> Do:
    return lambda world: run(world, text, token=text)


def restore(world: World) -> object:
    request = ClusterRequest(name="again", node_type="ra3.large", nodes=1, database="dev", root=OWNED)
    return world.warehouse().restore_cluster(world.caller, request, "snap", progress=silent, token="restore")


def export(world: World) -> object:
    key = world.key("export").key_arn
    form = ExportForm.ENCRYPTED_PARQUET
    shutil.rmtree(world.files / "out", ignore_errors=True)
    return world.warehouse().export_tables(
        world.caller, "sales", (), world.files / "out", form=form, key_id=key, progress=silent
    )


def copy_abroad(world: World) -> object:
    there = world.warehouse(THERE)
    world.warehouse().enable_snapshot_copy(world.caller, "sales", there, grant=None, retention_days=7)
    return world.warehouse().copy_snapshot(world.caller, "snap", there, progress=silent, token="copy")


def schedule(world: World) -> object:
    from datetime import timedelta

    every = SnapshotSchedule(every=timedelta(hours=8), retention=timedelta(days=1))
    world.warehouse().set_snapshot_schedule(world.caller, "sales", every)
    return world.warehouse().do_due_work(world.caller, progress=silent)


def share(world: World) -> object:
    return world.warehouse().create_data_share(
        world.caller, "given", producer="sales", consumer="other", tables=["flights"], token="share"
    )


OPERATIONS: Mapping[str, Operation] = {
    "a load": Operation(
        do=lambda w: w.load(w.file("b.csv", CSV.replace("CANARY", "SECOND"))), after=[(10000, 24995000)]
    ),
    "an insert": Operation(do=statement("INSERT INTO flights VALUES (5000, 'x', 1)"), after=[(5001, 12502500)]),
    "an update": Operation(do=statement("UPDATE flights SET id = 0 WHERE id = 4999"), after=[(5000, 12492501)]),
    "a delete": Operation(do=statement("DELETE FROM flights WHERE id = 4999"), after=[(4999, 12492501)]),
    "a copy of a file": Operation(do=statement("COPY flights FROM 'a.csv' FORMAT AS CSV"), after=[(10000, 24995000)]),
    "a table of a query": Operation(do=statement("CREATE TABLE t2 AS SELECT * FROM flights"), after=ROWS),
    "a new table": Operation(do=statement("CREATE TABLE t3 (a INT)"), after=ROWS),
    "a table dropped": Operation(do=statement("DROP TABLE other"), after=ROWS),
    "a table emptied": Operation(do=statement("TRUNCATE other"), after=ROWS),
    "a rotation": Operation(
        do=lambda w: w.warehouse().rotate_encryption_key(w.caller, "sales", progress=silent, token="rotate"), after=ROWS
    ),
    "an encryption": Operation(
        do=lambda w: w.warehouse().modify_encryption(w.caller, "sales", w.key("k2"), progress=silent, token="on"),
        after=ROWS,
        plain=True,
    ),
    "a decryption": Operation(
        do=lambda w: w.warehouse().modify_encryption(w.caller, "sales", NONE, progress=silent, token="off"), after=ROWS
    ),
    "another root": Operation(
        do=lambda w: w.warehouse().modify_encryption(w.caller, "sales", w.key("k2"), progress=silent, token="to"),
        after=ROWS,
    ),
    "all keys anew": Operation(
        do=lambda w: w.warehouse().re_encrypt(w.caller, "sales", progress=silent, token="anew"), after=ROWS
    ),
    "a snapshot": Operation(
        do=lambda w: w.warehouse().create_snapshot(w.caller, "sales", "s2", retention_days=None, token="s2"), after=ROWS
    ),
    "a cluster of a snapshot": Operation(do=restore, after=ROWS),
    "a table of a snapshot": Operation(
        do=lambda w: w.warehouse().restore_table(
            w.caller, "sales", "snap", "flights", "back", progress=silent, token="back"
        ),
        after=ROWS,
    ),
    "a copy abroad": Operation(do=copy_abroad, after=ROWS),
    "a schedule": Operation(do=schedule, after=ROWS),
    "an escrow key": Operation(
        do=lambda w: w.warehouse().set_escrow(w.caller, "sales", w.key("k2").key_arn, token="escrow"), after=ROWS
    ),
    "a share": Operation(do=share, after=ROWS),
    "an export": Operation(do=export, after=ROWS),
    "a cluster renamed": Operation(
        do=lambda w: w.warehouse().rename_cluster(w.caller, "other", "another", token="rename"), after=ROWS
    ),
    "a cluster deleted": Operation(do=lambda w: w.warehouse().delete_cluster(w.caller, "other"), after=ROWS),
}


@contextmanager
def no_page_more() -> Iterator[None]:
    """Stores that are opened here do not grow."""
    real = sqlite.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        made = real(*arguments, **named)
        (pages,) = made.execute("PRAGMA page_count").fetchone()
        made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    with patch.object(sqlite, "connect", connect):
        yield


@contextmanager
def no_byte_more(world: World) -> Iterator[None]:
    """No file is written."""

    class Full(FailingFs):
        def _call(self, name: str, work: Callable[[], Any], part: Callable[[], Any] | None = None) -> Any:
            if name in {"create", "write", "mkdir"}:
                raise OSError(errno.ENOSPC, "No space left on device")
            return work()

    world.fs = Full(OsFs(), disk_fault(errno.ENOSPC))
    try:
        yield
    finally:
        world.fs = OsFs()


@pytest.fixture(scope="module", name="prepared")
def _prepared() -> Iterator[Path]:
    """A world in which all of them can be done, encrypted and plain."""
    with quick_folder() as folder:
        for name in ("sealed", "plain"):
            (folder / name / "files").mkdir(parents=True)
            world = World(home=folder / name / "home", files=folder / name / "files")
            world.create(NONE if name == "plain" else world.key("k1"))
            world.load(world.file("a.csv"))
            world.load(world.file("c.csv", "id,tail\n1,x\n"), table="other")
            world.create(OWNED, name="other", call="other")
            world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
            world.key("k2"), world.key("export")
            world.reopen()
        yield folder


# In turn, but each on both in a campaign.
FULL = [
    pytest.param(operation, what, id=f"{name}, {what} full")
    for number, (name, operation) in enumerate(OPERATIONS.items())
    for what in (("stores", "files") if is_campaign() else ("stores", "files")[number % 2 :][:1])
]


@pytest.mark.parametrize(("operation", "what"), FULL)
def test_a_full_disk_costs_one_error_and_nothing_else(
    prepared: Path, quick: Path, operation: Operation, what: str
) -> None:
    shutil.copytree(prepared / ("plain" if operation.plain else "sealed"), quick / "there")
    world = World(home=quick / "there" / "home", files=quick / "there" / "files")
    with no_page_more() if what == "stores" else no_byte_more(world):
        try:
            operation.do(world)
        except HostError as full:
            assert "no space left" in str(full).lower(), str(full)
            assert world.select(QUESTION) == ROWS
    world.reopen()
    operation.do(world)
    assert world.select(QUESTION) == operation.after
    assert not list(world.files.glob(".*"))
    world.warehouse().clear_up()
    with world.warehouse()._site.catalogue.read() as catalogue:
        assert catalogue is not None
        assert catalogue.execute("SELECT count(*) FROM pending").fetchone() == (0,)
    world.reopen()
