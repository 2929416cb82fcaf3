"""The published format (docs/format.md): a reader that is not ours reads what the product wrote."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler_warehouse.hierarchy import opened
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.tests.statement_worlds import inline, run, site_of
from reconciler_warehouse.tests.worlds import NONE, World

ROOT = Path(__file__).resolve().parents[3]
READER = ROOT / "examples" / "read_segment.py"


def dek_of(world: World) -> bytes:
    site = site_of(world)
    cluster = cluster_named(site, "sales")
    with opened(site, cluster.uid, "Cluster sales") as deks:
        return bytes(deks[cluster.dek].expose_key_bytes()) if cluster.dek else b""


def read(folder: Path, key: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(READER), str(folder), "sales", "flights"], input=key, check=False, capture_output=True
    )


def changed(world: World) -> int:
    """Rows inserted, deleted and changed; how many there are."""
    run(world, "INSERT INTO flights (id, tail, delay) VALUES (5000, 'N5000', 1.5), (5001, 'N5001', 2.5)")
    run(world, "DELETE FROM flights WHERE id < 4990")
    run(world, "UPDATE flights SET delay = 0 WHERE id = 5001")
    return len(world.select("SELECT * FROM flights"))


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_reader_of_a_few_dozen_lines_reads_files_inline_rows_and_delete_vectors(
    world: World, encrypted: bool
) -> None:
    world.create(world.key("root") if encrypted else NONE)
    world.load(world.file("flights.csv"))
    count = changed(world)
    assert count == 12
    assert inline(world) > 0
    key = dek_of(world)
    world.reopen()
    done = read(world.folder(), key)
    assert (done.returncode, done.stderr) == (0, b"12 rows\n")
    assert done.stdout.splitlines()[0] == b"{'id': 4990, 'tail': 'CANARY-TAIL-04990', 'delay': 43.5}"


def test_the_reader_refuses_another_key_and_a_byte_that_was_changed(world: World) -> None:
    world.create(world.key("root"))
    world.load(world.file("flights.csv"))
    key = dek_of(world)
    world.reopen()
    assert b"sealed under another key" in read(world.folder(), bytes(32)).stderr
    for file in (world.folder() / "data").iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    done = read(world.folder(), key)
    assert done.returncode == 1
    assert b"InvalidTag" in done.stderr


def test_the_reader_is_short_and_imports_nothing_of_ours() -> None:
    source = READER.read_text()
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography", "pyarrow"}
    assert len(source.splitlines()) <= 110
