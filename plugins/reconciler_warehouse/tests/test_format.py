"""The published format (docs/format.md): a reader that is not ours reads what the product wrote."""

from __future__ import annotations

import ast
import hashlib
import hmac
import importlib.util
import json
import re
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.envelope.canonical import encode
from reconciler.errors import DamagedStore
from reconciler_warehouse import catalogue as catalogue_of
from reconciler_warehouse import keyring
from reconciler_warehouse.blocks import delete_vectors, key_tables
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.tests.statement_worlds import inline, run, site_of
from reconciler_warehouse.tests.worlds import HERE, NONE, World

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = ROOT / "plugins" / "reconciler_warehouse"
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


def stranger() -> Any:
    """The example as a module: what it says of encodings is said without our code."""
    found = importlib.util.spec_from_file_location("read_segment", READER)
    assert found is not None
    assert found.loader is not None
    made = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


def field(value: str | bytes | int | None) -> bytes:
    """Canonical encoding of one field, by the words of docs/format.md."""
    kind, raw = b"N", b""
    if isinstance(value, str):
        kind, raw = b"S", value.encode()
    elif isinstance(value, bytes):
        kind, raw = b"B", value
    elif value is not None:
        kind, raw = b"I", value.to_bytes(8, "big")
    return kind + len(raw).to_bytes(4, "big") + raw


def fields(*values: str | bytes | int | None) -> bytes:
    return b"".join(field(value) for value in values)


def mac(key: bytes, purpose: str, message: bytes) -> bytes:
    return hmac.digest(key, len(purpose).to_bytes(4, "big") + purpose.encode() + message, "sha256")


def root_message(catalogue: sqlite3.Connection, uid: str) -> bytes:
    """The message of a cluster's manifest, page by page, by the words of docs/format.md."""
    catalogue.create_function("sha256", 1, lambda body: None if body is None else hashlib.sha256(body).digest())
    head = catalogue.execute(
        """SELECT 'cluster', uid, name, manifest_version, dek,
           json_array(escrow_arn, snapshot_every, snapshot_retention) FROM cluster WHERE uid = ?""",
        (uid,),
    ).fetchone()
    message = fields("reconciler/manifest/v2", *head)
    tables = catalogue.execute(
        "SELECT uid, name, backup FROM data_table WHERE cluster = ? ORDER BY uid", (uid,)
    ).fetchall()
    message += b"".join(fields("table", *row) for row in tables)
    for table, *_ in tables:
        loads = catalogue.execute("SELECT ordinal, digest FROM load WHERE data_table = ? ORDER BY ordinal", (table,))
        message += b"".join(fields("load", table, *row) for row in loads)
    for table, *_ in tables:
        pages: dict[int, list[str]] = {}
        for ordinal, line in catalogue.execute(
            """SELECT s.ordinal, json_array(s.ordinal, s.uid, s.identity, s.rows, s.bytes, k.generation, k.dek,
                 hex(iif(k.dek IS NULL, sha256(k.body), substr(k.body, -16))), v.version, v.rows, v.dek,
                 hex(iif(v.dek IS NULL, sha256(v.body), substr(v.body, -16))))
               FROM segment s JOIN key_table k ON k.id = s.key_table
               LEFT JOIN delete_vector v ON v.id = s.delete_vector
               WHERE s.data_table = ? ORDER BY s.ordinal, s.uid""",
            (table,),
        ):
            pages.setdefault(ordinal // 256, []).append(line)
        for page, lines in pages.items():
            digest = hashlib.sha256(fields("reconciler/page/v1", table, page) + "\n".join(lines).encode()).digest()
            message += fields("page", table, page, digest)
    return message


@pytest.mark.parametrize("encrypted", [True, False])
def test_the_manifest_is_what_the_words_say(world: World, encrypted: bool) -> None:
    world.create(world.key("root") if encrypted else NONE)
    world.load(world.file("flights.csv"))
    changed(world)
    key = dek_of(world)
    world.reopen()
    with closing(sqlite3.connect(world.folder() / "catalogue.db")) as catalogue:
        uid, tag = catalogue.execute("SELECT uid, manifest_tag FROM cluster").fetchone()
        message = root_message(catalogue, uid)
    if encrypted:
        assert tag == mac(mac(key, "reconciler/manifest-key/v1", b""), "reconciler/manifest/v2", message)
    else:
        assert tag == hashlib.sha256(message).digest()


def test_the_key_ring_opens_by_the_words_and_the_key_service_alone(world: World) -> None:
    world.create(world.key("root"))
    key = dek_of(world)
    with closing(sqlite3.connect(world.folder() / "keyring.db")) as ring:
        material, origin, arn, context, wrapped, dek, wrapped_dek = ring.execute(
            """SELECT c.material, c.origin, c.root_arn, c.context, c.wrapped, g.dek, g.wrapped
               FROM holder h JOIN cek c ON c.uid = h.cek JOIN holding g ON g.holder = h.uid AND g.cek = c.uid"""
        ).fetchone()
    service = Caller(principal="redshift.amazonaws.com", account=world.caller.account)
    cek = world.keys().decrypt(service, wrapped, json.loads(context), key_id=arn).plaintext
    aad = fields("reconciler/dek/v1", dek, material, origin, HERE)
    assert stranger().open_sealed(bytes(cek.expose_key_bytes()), wrapped_dek, aad) == key


def test_every_purpose_and_magic_that_the_code_writes_is_in_the_document() -> None:
    document = (ROOT / "docs" / "format.md").read_text()
    sources = [*PLUGIN.glob("*.py"), *PLUGIN.glob("*/*.py"), *(ROOT / "reconciler" / "envelope").glob("*.py")]
    written = {
        found
        for path in sources
        if path.parent.name != "tests"
        for found in re.findall(r"reconciler/[a-z/-]+/v[0-9]+", path.read_text())
    }
    assert len(written) > 15
    assert {one for one in written if f"`{one}`" not in document and f'"{one}"' not in document} == set()
    assert f"`{key_tables.MAGIC.decode()}`" in document
    assert f"`{delete_vectors.MAGIC.decode()}`" in document
    assert f"Catalogue format {catalogue_of.FORMAT}, key ring format {keyring.FORMAT}" in document


def test_the_example_of_the_encoding_is_right() -> None:
    assert fields("a", 1) == bytes.fromhex("53 00000001 61 49 00000008 0000000000000001") == encode("a", 1)
    assert stranger().encode("a", 1) == encode("a", 1)


def test_blocks_that_are_larger_than_any_that_are_written_are_damage() -> None:
    table = key_tables.KeyTable(
        sealed=False, size=1, block_bytes=key_tables.BLOCK_BYTES + 1, rows=0, schema=b"", zones={}, entries=bytes(32)
    )
    with pytest.raises(ValueError, match="not a key table"):
        key_tables.KeyTable.decode(table.encode())


@pytest.mark.parametrize(
    "notes",
    [b"", b"[]", b"{}", b'{"rows": 1, "zones": []}', b'{"rows": 1, "zones": {"a": 1}}', b"[" * 100_000, b"\xff"],
)
def test_notes_that_are_none_are_damage(notes: bytes) -> None:
    head = struct.pack(">4sBQIIII", b"RKT1", 0, 1, key_tables.BLOCK_BYTES, 1, 0, len(notes))
    identity = key_tables.SegmentId(origin="a", table="b", segment="c")
    with pytest.raises(DamagedStore, match="not what was written"):
        key_tables.open_table(head + notes + bytes(32), identity, 1, dek=None, key=None)


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
