"""Files of all forms, types inferred once, all of a file or nothing."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest

from reconciler.errors import HostError, ReconcilerError, ValidationException
from reconciler_warehouse.blocks import parquet_segments
from reconciler_warehouse.loading import tabular
from reconciler_warehouse.tests.worlds import CSV, OWNED, World, silent

COUNT = "SELECT count(*), sum(id) FROM flights"
BOTH = [(5000, 12497500)]


def zipped(*members: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def parquet(**columns: list[object]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@pytest.fixture(name="world")
def with_cluster(world: World) -> World:
    world.create(OWNED)
    return world


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV.encode()),
        ("a.csv.gz", gzip.compress(CSV.encode())),
        ("a.csv.zip", zipped(("flights.csv", CSV), ("README.txt", "not data"))),
        ("A.CSV", CSV.encode()),
        (
            "a.parquet",
            parquet(
                id=list(range(5000)),
                tail=[f"CANARY-TAIL-{n:05d}" for n in range(5000)],
                delay=[n % 97 + 0.5 for n in range(5000)],
            ),
        ),
    ],
)
def test_every_form_is_loaded(world: World, name: str, content: bytes) -> None:
    assert world.load(world.file(name, content)).rows == 5000
    assert world.select(COUNT) == BOTH
    assert world.select("SELECT tail FROM flights WHERE id = 4321") == [("CANARY-TAIL-04321",)]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"id\n1\n", "does not end in"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"id,id\n1,2\n", "two columns called id"),
        ("a.csv", b"id,ID\n1,2\n", "two columns called ID"),
        ("a.csv", b"id,\n1,2\n", "without a name"),
        ("a.csv", b"id,name\n1\n", "Expected 2 columns"),
        ("a.csv.zip", b"PK no zip", "cannot be unpacked"),
        ("a.csv.zip", zipped(("a.csv", "x\n1\n"), ("b.csv", "x\n1\n")), "holds 2 CSV files"),
        ("a.csv.gz", b"no gzip", "cannot be unpacked"),
        ("a.parquet", b"no parquet", "not a Parquet file"),
    ],
)
def test_what_cannot_be_loaded_is_said_and_leaves_nothing(world: World, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(ValidationException) as refused:
        world.load(world.file(name, content))
    assert reason in refused.value.summary
    assert world.data_files() == {}


SECRET_ROWS = {
    "too many values": ("a.csv", b"id,name\n1,x\n2,CANARY,CANARY\n"),
    "too few values": ("a.csv", b"id,name\n1,x\nCANARY\n"),
    "another type": ("a.csv", b"id,delay\nCANARY,1\n"),
    "a number cut": ("a.parquet", parquet(id=[1.4711], delay=[2])),
    "a text for a number": ("a.parquet", parquet(id=["CANARY"], delay=[2])),
}


@pytest.mark.parametrize(("name", "content"), SECRET_ROWS.values(), ids=SECRET_ROWS.keys())
def test_no_value_of_a_row_is_in_the_message(world: World, name: str, content: bytes) -> None:
    """Messages reach logs, pipelines and reports (I19)."""
    world.load(world.file("first.csv", "id,delay\n1,2\n"))
    with pytest.raises(ValidationException) as refused:
        world.load(world.file(name, content))
    said = [str(refused.value), *(repr(one) for one in refused.value.diagnostics())]
    assert not [text for text in said if "CANARY" in text or "4711" in text]
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_an_absent_file_and_a_link_are_refused(world: World) -> None:
    with pytest.raises(HostError, match="No such file"):
        world.load(world.files / "absent.csv")
    (world.files / "link.csv").symlink_to(world.file("a.csv"))
    with pytest.raises(HostError):
        world.load(world.files / "link.csv")


@pytest.mark.parametrize("table", ["", "Upper", "1st", "has space", "semi;colon", "x" * 128])
def test_a_table_is_called_like_a_table(world: World, table: str) -> None:
    with pytest.raises(ValidationException):
        world.load(world.file("a.csv"), table=table)


def test_types_are_inferred_over_the_whole_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that looks like whole numbers for many blocks and then is not becomes wide enough for all of it."""
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 4096)
    rows = "".join(f"{n},{n},{n},NA,2013-01-{n % 28 + 1:02d}\n" for n in range(2000))
    world.load(world.file("a.csv", f"i,d,s,empty,day\n{rows}2000,1.5,late,NA,2014-01-01\n"))
    described = world.select("SELECT typeof(i), typeof(d), typeof(s), typeof(day), empty FROM flights LIMIT 1")
    assert described == [("BIGINT", "DOUBLE", "VARCHAR", "DATE", "NA")]
    assert world.select("SELECT s, d, day FROM flights WHERE i = 2000") == [("late", 1.5, date(2014, 1, 1))]


def test_types_are_pinned_by_the_first_file(world: World) -> None:
    world.load(world.file("a.csv", "id,code\n1,x1\n"))
    world.load(world.file("b.csv", "id,code\n2,0123\n"))
    assert world.select("SELECT code FROM flights ORDER BY id") == [("x1",), ("0123",)]
    with pytest.raises(ValidationException, match="does not fit the table's columns"):
        world.load(world.file("c.csv", "id,code\nthree,y\n"))
    with pytest.raises(ValidationException) as refused:
        world.load(world.file("d.csv", "id\n4\n"))
    assert refused.value.summary == "d.csv does not fit the table's columns: it has no column code"
    assert world.select("SELECT count(*) FROM flights") == [(2,)]


def test_a_quoted_line_break_is_part_of_its_value(world: World) -> None:
    world.load(world.file("a.csv", 'id,note\n1,"two\nlines"\n2,one\n'))
    assert world.select("SELECT note FROM flights ORDER BY id") == [("two\nlines",), ("one",)]


def test_a_large_file_becomes_several_segments_and_a_filter_leaves_them_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "ROW_GROUP_ROWS", 1000)
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 8192)
    monkeypatch.setattr(parquet_segments, "SEGMENT_BYTES", 8192)
    world.load(world.file("a.csv"))
    files = sorted(world.data_files())
    assert len(files) > 2
    assert world.select(COUNT) == BOTH
    # Zone maps, sealed with the key tables: files that cannot hold the row are not even opened.
    data = world.folder() / "data"
    by_first = {world.select(f"SELECT count(*) FROM flights WHERE id < {n}")[0][0]: n for n in (1, 10)}  # noqa: S608
    assert by_first == {1: 1, 10: 10}
    removed = 0
    for name in files:
        hidden = (data / name).rename(data / f"{name}.hidden")
        try:
            removed += world.select("SELECT count(*) FROM flights WHERE id = 0") == [(1,)]
        except ReconcilerError:
            pass
        finally:
            hidden.rename(data / name)
    assert removed == len(files) - 1


def test_threads_load_side_by_side(world: World) -> None:
    """The executor runs steps of several resources at once on one provider."""
    for name in ("one", "two"):
        world.create(world.key("k1"), name=name, call=name)
    failures: list[BaseException] = []

    def work(cluster: str, table: str) -> None:
        try:
            world.load(world.file(f"{cluster}-{table}.csv"), name=cluster, table=table)
            assert world.select(f"SELECT count(*) FROM {table}", name=cluster) == [(5000,)]  # noqa: S608  # a test
            world.warehouse().rotate_encryption_key(world.caller, cluster, progress=silent, token=f"{cluster}-{table}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(c, t)) for c in ("one", "two") for t in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name in ("one", "two"):
        assert [table.rows for table in world.warehouse().describe_clusters(world.caller, [name])[0].tables] == [
            5000
        ] * 3


def test_a_file_that_changes_while_it_is_loaded_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.file("a.csv")
    original = tabular.infer

    def infer_and_change(fs: object, asked: Path, unwrap: object) -> object:
        schema = original(fs, asked)  # type: ignore[arg-type]  # handed through
        with asked.open("ab") as file:
            file.write(b"5000,LATE,1.5\n")
        os.utime(asked)
        return schema

    monkeypatch.setattr("reconciler_warehouse.loading.loads.infer", infer_and_change)
    with pytest.raises(ReconcilerError, match="was changed while it was loaded"):
        world.load(path)
    assert world.data_files() == {}
