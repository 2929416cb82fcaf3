"""Files that were made to harm, or fell apart: one clear error, bounded memory and time, nothing kept (I21)."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest

from reconciler.errors import HostError, ReconcilerError, ValidationException
from reconciler.host.os_fs import OsFs
from reconciler_warehouse.foreign import process
from reconciler_warehouse.foreign.process import ForeignParquet
from reconciler_warehouse.loading import sources
from reconciler_warehouse.tests import hostile_csv, hostile_parquet
from reconciler_warehouse.tests.worlds import OWNED, World
from tests import counts
from tests.amounts import amount

SECONDS = 20
MEGABYTES = 600  # of this process, beside what it had before


@pytest.fixture(name="world")
def with_cluster(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(sources, "BOMB_BYTES", 64 << 20)  # a small bomb is a bomb
    world.create(OWNED)
    return world


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def refused(world: World, path: Path) -> str:
    """What is said of a file that is not loaded; nothing of it is there."""
    before, began = peak(), time.monotonic()
    with pytest.raises(ValidationException) as said:
        world.load(path)
    assert time.monotonic() - began < SECONDS
    assert peak() - before < MEGABYTES
    assert world.data_files() == {}
    summary = str(said.value.summary)
    assert "\n" not in summary
    assert len(summary) < 400
    assert "CANARY" not in "".join(map(str, said.value.diagnostics()))
    return summary


@pytest.mark.parametrize(("make", "reason"), hostile_parquet.REFUSED.values(), ids=hostile_parquet.REFUSED.keys())
def test_hostile_parquet_is_refused(
    world: World, make: Callable[[], bytes], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MEMORY_BYTES", 128 << 20)
    summary = refused(world, world.file("a.parquet", make()))
    assert "a.parquet" in summary
    assert reason in summary


@pytest.mark.parametrize(("name", "make", "reason"), hostile_csv.REFUSED.values(), ids=hostile_csv.REFUSED.keys())
def test_hostile_csv_is_refused(world: World, name: str, make: Callable[[], bytes], reason: str) -> None:
    summary = refused(world, world.file(name, make()))
    assert name in summary
    assert reason in summary


ALSO_LATER = ("nothing at all", "nothing but a byte order mark", "UTF-16", "UTF-16 that is cut", "UTF-32")


@pytest.mark.parametrize("what", ALSO_LATER)
def test_a_csv_that_is_none_is_called_that_for_a_table_that_is_there_too(world: World, what: str) -> None:
    world.load(world.file("first.csv", "id,name\n1,x\n"))
    name, make, reason = hostile_csv.REFUSED[what]
    with pytest.raises(ValidationException) as said:
        world.load(world.file(name, make()))
    assert reason in said.value.summary
    assert world.select("SELECT count(*) FROM flights") == [(1,)]


@pytest.mark.parametrize(("name", "make", "rows"), hostile_csv.LOADED.values(), ids=hostile_csv.LOADED.keys())
def test_odd_csv_is_loaded(world: World, name: str, make: Callable[[], bytes], rows: int) -> None:
    assert world.load(world.file(name, make())).rows == rows


def test_what_changed_by_chance_is_read_or_refused_and_nothing_else(quick: Path) -> None:
    """A process each, so that a crash is one file's alone."""
    path = quick / "mutant.parquet"
    for raw in hostile_parquet.mutants(seed=6, count=amount(6, 5_000)):
        path.write_bytes(raw)
        try:
            with ForeignParquet(OsFs(), path) as file:
                schema = file.schema()
                rows = sum(batch.num_rows for batch in file.batches(schema.names))
            assert rows <= 3000
        except ValidationException as error:
            assert "mutant.parquet" in error.summary
        counts.count("bad-input", mutants=1)


def test_a_reader_that_dies_costs_one_message_and_nothing_that_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that crashes in its own process takes nothing with it."""
    world.load(world.file("first.csv", "id,tail\n1,x\n"))
    before = world.data_files()
    started = subprocess.Popen

    def doomed(*arguments: object, **named: object) -> subprocess.Popen[bytes]:
        made = started(*arguments, **named)  # type: ignore[call-overload]  # handed through
        os.kill(made.pid, signal.SIGSEGV)
        return made  # type: ignore[no-any-return]  # of the overload above

    monkeypatch.setattr(subprocess, "Popen", doomed)
    with pytest.raises(ValidationException, match=r"its reader ended \(SIGSEGV\)"):
        world.load(world.file("a.parquet", hostile_parquet.SOUND))
    monkeypatch.undo()
    assert world.data_files() == before
    assert world.select("SELECT count(*) FROM flights") == [(1,)]
    assert world.load(world.file("a.parquet", hostile_parquet.SOUND)).rows == 3001


def test_a_reader_that_hangs_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen

    def stopped(*arguments: object, **named: object) -> subprocess.Popen[bytes]:
        made = started(*arguments, **named)  # type: ignore[call-overload]  # handed through
        os.kill(made.pid, signal.SIGSTOP)
        return made  # type: ignore[no-any-return]  # of the overload above

    monkeypatch.setattr(subprocess, "Popen", stopped)
    monkeypatch.setattr(process, "SECONDS", 0.2)
    assert "said nothing for 0.2 s" in refused(world, world.file("a.parquet", hostile_parquet.SOUND))


def test_a_disk_that_fails_below_the_file_is_not_the_files_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.file("a.parquet", hostile_parquet.SOUND)

    class Failing(OsFs):
        def read_into(self, handle: int, buffer: memoryview, offset: int) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(HostError, match="Input/output error"), ForeignParquet(Failing(), path) as file:
        file.schema()


def test_sound_files_of_every_form_are_read_as_pyarrow_reads_them(quick: Path) -> None:
    path = quick / "a.parquet"
    for form in (
        {"compression": "zstd"},
        {"data_page_version": "2.0"},
        {"use_dictionary": False},
        {"row_group_size": 7},
    ):
        path.write_bytes(hostile_parquet.written(hostile_parquet.TABLE, **form))
        with ForeignParquet(OsFs(), path) as file:
            schema = file.schema()
            assert pa.Table.from_batches(file.batches(schema.names), schema).equals(hostile_parquet.TABLE)


def test_a_table_takes_a_file_by_names_and_refuses_another(world: World) -> None:
    world.load(world.file("a.parquet", hostile_parquet.SOUND))
    turned = hostile_parquet.TABLE.select(["tail", "id"])
    assert world.load(world.file("b.parquet", hostile_parquet.written(turned))).rows == 6000
    for table, said in (
        (hostile_parquet.TABLE.select(["id"]), "has no column tail"),
        (pa.table({"id": ["x"], "tail": ["y"]}), "does not fit the table's columns"),
    ):
        with pytest.raises(ReconcilerError, match=said):
            world.load(world.file("c.parquet", hostile_parquet.written(table)))
    assert world.select("SELECT count(*) FROM flights") == [(6000,)]
