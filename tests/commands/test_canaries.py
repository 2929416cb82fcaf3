"""A thousand values go through everything that a cluster does, and none of them is ever in a file, a temporary file, a
log or a message (T13, G10, I19): searched for as they are, in hex, base64 and UTF-16."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest

from tests.commands.shop import Run, declare
from tests.world import document, provider

COMMON = b"CNRY-6b1f90e2d4"  # what all of them begin with
PLANTED = [COMMON.decode() + f"-{n * 2654435761 % 2**32:08x}" for n in range(1_000)]
PROVIDERS = provider("kms") + provider("dw", "warehouse") + document("Key", "k", provider="kms")
PROVIDERS += document("Key", "k2", provider="kms")


def spellings() -> Iterator[bytes]:
    """Every way in which a program might write the beginning of one."""
    yield COMMON
    yield COMMON.hex().encode()
    yield COMMON.hex().upper().encode()
    yield COMMON.decode().encode("utf-16-le")
    yield COMMON.decode().encode("utf-16-be")
    for before in range(3):
        whole = base64.b64encode(b"\x00" * before + COMMON)
        inside = whole[4 if before else 0 : -4]  # without the letters that what stands around it decides
        yield from {inside, inside.replace(b"+", b"-").replace(b"/", b"_")}


FOUND = re.compile(b"|".join(re.escape(one) for one in spellings()))


def cluster(encryption: str, *, nodes: int = 1, more: str = "") -> str:
    tables = "[{name: people, load: [data/people.csv]}, {name: others, load: [data/others.parquet]}]"
    spec = {"nodeType": "ra3.large", "nodes": nodes, "encryption": encryption, "tables": tables}
    return document("Cluster", "c", provider="dw", lifecycle="{preventDestroy: false}", **spec) + more


@pytest.fixture(name="temporary")
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_no_value_is_ever_written_or_said(run: Run, folder: Path, temporary: Path) -> None:
    data = folder / "data"
    data.mkdir()
    half = len(PLANTED) // 2
    (data / "people.csv").write_text("id,name\n" + "".join(f"{n},{one}\n" for n, one in enumerate(PLANTED[:half])))
    pq.write_table(pa.table({"id": range(half), "name": PLANTED[half:]}), data / "others.parquet")
    (data / "bad.csv").write_text(f"id,name\n{PLANTED[0]},1\n")
    assert FOUND.search((data / "people.csv").read_bytes()), "the search finds what is there"
    said: list[str] = []

    def do(*arguments: str, code: int = 0) -> None:
        ran = run(*arguments)
        assert ran.code == code, ran.err
        said.extend((ran.out, ran.err))

    def apply(text: str) -> None:
        declare(folder, PROVIDERS + text)
        do("plan", "--out", "plan.bin")
        do("apply", "plan.bin", "--format", "json")

    def sql(statement: str, code: int = 0) -> None:
        do("sql", "-c", "c", statement, code=code)

    snapshot = document("Snapshot", "s", provider="dw", cluster="c", lifecycle="{preventDestroy: false}")
    apply(cluster("{key: k}"))
    sql(f"INSERT INTO people VALUES (5000, '{PLANTED[7]}'), (5001, '{PLANTED[8]}')")  # noqa: S608  # a test
    sql(f"UPDATE people SET name = '{PLANTED[9]}' WHERE id < 40")  # noqa: S608  # a test
    sql(f"DELETE FROM people WHERE name = '{PLANTED[41]}'")  # noqa: S608  # a test
    sql("CREATE TABLE sorted AS SELECT p.name, o.name AS other FROM people p JOIN others o ON p.id = o.id")
    sql("COPY people FROM 'data/people.csv' FORMAT AS CSV")
    sql("COPY people FROM 'data/bad.csv' FORMAT AS CSV", code=1)
    sql("SELECT CAST(max(name) AS INTEGER) FROM people", code=1)
    sql("SELECT count(*) FROM (SELECT name FROM people ORDER BY name)")
    apply(cluster("{key: k, rotation: {trigger: again}}", nodes=2) + snapshot)
    apply(cluster("{key: k2, rotation: {trigger: again}}", nodes=2) + snapshot)
    do("export", "-c", "c", "--to", str(folder / "out"), "--key", "k")
    for command in ("drift", "verify", "audit", "show"):
        do(command)
    do("state", "show", "Cluster/c")

    assert not [text for text in said if FOUND.search(text.encode())]
    searched = [
        path for top in (folder, temporary) for path in top.rglob("*") if path.is_file() and data not in path.parents
    ]
    assert len(searched) > 20
    assert not [path for path in searched if FOUND.search(path.read_bytes())]
    assert not list(temporary.rglob("*"))
