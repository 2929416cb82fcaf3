"""Blocks sealed, opened and sealed anew: beside the bare cipher, openssl, a plain copy, and two databases' rekey."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from warehouse_rounds import Best, at_least, interleaved

from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler_warehouse.blocks.key_tables import BLOCK_BYTES, KeyTable, SegmentId
from reconciler_warehouse.blocks.segment_files import BUFFERS, BlockEncoder, StoredSegment, stored_bytes, transformed
from reconciler_warehouse.segment_store.local_files import LocalFiles

PLAIN, SEALED = f"{1:032x}.1", f"{2:032x}.1"
OPENSSL = "openssl enc -aes-256-ctr -K {key} -iv {iv} -in {file} -out /dev/null"


class Segments:
    """One segment, plain and sealed, in a store on this disk."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size = size
        self.random = SystemRandom()
        self.folder = folder
        self.store = LocalFiles(OsFs(), folder / "data", folder / "catalogue.db")
        self.origin = SegmentId(origin=f"{3:032x}", table=f"{4:032x}", segment=f"{1:032x}").blocks()
        hashes, keys = self.encoder(sealed=False), self.encoder(sealed=True)
        room = memoryview(bytearray(BLOCK_BYTES + 16))
        self.store.write(PLAIN, (hashes.encode(block, room) for block in self._noise()))
        self.plain = self._table(sealed=False, entries=hashes.entries)
        with closing(StoredSegment(self.store, PLAIN, self.plain, self.origin)) as plain:
            self.store.write(SEALED, transformed(plain, keys))
        self.sealed = self._table(sealed=True, entries=keys.entries)
        self._written = 16

    def encoder(self, *, sealed: bool) -> BlockEncoder:
        """The product's, for one file."""
        return BlockEncoder(self.origin, self.random, sealed=sealed)

    def changed(self, name: str, *, sealed: bool) -> Iterator[memoryview]:
        """The segment in a new form, as a migration makes it."""
        table = self.sealed if name == SEALED else self.plain
        with closing(StoredSegment(self.store, name, table, self.origin)) as stored:
            yield from transformed(stored, self.encoder(sealed=sealed))

    def encrypted(self) -> Iterator[memoryview]:
        """The plain file's bytes sealed, as a writer seals the Parquet that it makes: no hash of them is checked."""
        encoder = self.encoder(sealed=True)
        with BUFFERS.borrowed() as room, closing(stored_bytes(self.store, PLAIN, self.size)) as blocks:
            for block in blocks:
                yield encoder.encode(block, room)

    def written(self, blocks: Iterator[memoryview]) -> None:
        """A new segment of these bytes, durable; and gone again."""
        self._written += 1
        name = f"{self._written:032x}.1"
        self.store.write(name, blocks)
        os.unlink(self.folder / "data" / name)

    def copied(self) -> None:
        """The plain peer: the file copied to another, durable; and gone again."""
        buffer = memoryview(bytearray(BLOCK_BYTES))
        source, target = self.folder / "data" / SEALED, self.folder / "data" / "copy"
        with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as write:
            while count := read.readinto(buffer):
                write.write(buffer[:count])
            os.fsync(write.fileno())
        target.unlink()

    def _noise(self) -> Iterator[memoryview]:
        return (memoryview(os.urandom(BLOCK_BYTES)) for _ in range(self.size // BLOCK_BYTES))

    def _table(self, *, sealed: bool, entries: bytes) -> KeyTable:
        return KeyTable(
            sealed=sealed, size=self.size, block_bytes=BLOCK_BYTES, rows=1, schema=b"", zones={}, entries=entries
        )


def cipher(segments: Segments, rounds: int) -> None:
    """Input in memory or in the page cache, output discarded: CPU seconds."""
    block, room = memoryview(bytearray(BLOCK_BYTES)), memoryview(bytearray(BLOCK_BYTES + 16))

    def raw() -> None:
        for index in range(segments.size // BLOCK_BYTES):
            key = AESGCM(os.urandom(32))
            key.encrypt_into(index.to_bytes(12, "big"), block, segments.origin, room)

    def in_memory() -> None:
        encoder = segments.encoder(sealed=True)
        for _ in range(segments.size // BLOCK_BYTES):
            encoder.encode(block, room)

    file = segments.folder / "data" / PLAIN
    openssl = OPENSSL.format(key="07" * 32, iv="00" * 16, file=file).split()
    ways: dict[str, Callable[[], object]] = {
        "raw": raw,
        "in memory": in_memory,
        "file": lambda: _discard(segments.encrypted()),
        "again": lambda: _discard(segments.changed(SEALED, sealed=True)),
        "whole": lambda: _discard(segments.changed(PLAIN, sealed=True)),
        "openssl": lambda: subprocess.run(openssl, check=True),
    }
    best = interleaved(ways, rounds)
    took = {name: one.cpu for name, one in best.items()}
    print(f" {segments.size >> 20} MiB in blocks of {BLOCK_BYTES >> 10} KiB; raw {_speed(segments.size, best['raw'])}")
    at_least("encrypt blocks in memory, of raw encrypt_into", took["in memory"], took["raw"], 0.85)
    at_least("encrypt a file, of raw encrypt_into", took["file"], took["raw"], 0.5)
    at_least("encrypt a file, of openssl enc (CTR, no MAC)", took["file"], took["openssl"], 2.5)
    at_least("re-encrypt a segment, of raw encrypt_into", took["again"], took["raw"], 0.3)
    print(
        f"  (a plain segment, encrypted, has its SHA-256 checked on the way: {took['raw'] / took['whole']:.2f} of raw, "
        f"{took['openssl'] / took['whole']:.2f} of openssl enc)"
    )


def disk(segments: Segments, rounds: int) -> None:
    """Page cache to a new file, durable: wall seconds, one thread each."""
    best = interleaved(
        {
            "copy": segments.copied,
            "again": lambda: segments.written(segments.changed(SEALED, sealed=True)),
            "whole": lambda: segments.written(segments.changed(PLAIN, sealed=True)),
        },
        rounds,
    )
    at_least("re-encrypt a segment, of a plain copy", best["again"].wall, best["copy"].wall, 0.8, unit="wall")
    print(f"  (a plain segment, encrypted: {best['copy'].wall / best['whole'].wall:.2f} of a plain copy)")


def rekey(segments: Segments, rounds: int) -> None:
    """All bytes put under new keys, durably: CPU seconds a byte. The peers' databases are a quarter as large."""
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: segments.written(segments.changed(SEALED, sealed=True)),
        "duckdb": _duckdb_copy(segments.folder, segments.size // 4),
    }
    sqlcipher = _sqlcipher_rekey(segments.folder, segments.size // 4)
    if sqlcipher is not None:
        ways["sqlcipher"] = sqlcipher
    best = interleaved(ways, rounds)
    sizes = {name: (segments.folder / f"{name}.db").stat().st_size for name in best if name != "ours"}
    for name, what in (("sqlcipher", "SQLCipher's PRAGMA rekey"), ("duckdb", "DuckDB's COPY FROM DATABASE")):
        if name in best:
            ours, peer = best["ours"].cpu / segments.size, best[name].cpu / sizes[name]
            at_least(f"re-encrypt, of {what}", ours * 1e9, peer * 1e9, 10, unit="cpu a GB")
        else:
            print(f"  {what} is left out: `pip install sqlcipher3`")


def _sqlcipher_rekey(folder: Path, size: int) -> Callable[[], object] | None:
    try:
        import sqlcipher3  # type: ignore[import-not-found,import-untyped,unused-ignore]  # a peer
    except ImportError:
        return None
    store = sqlcipher3.connect(str(folder / "sqlcipher.db"), isolation_level=None)
    store.execute("PRAGMA key = 'before'")
    store.execute("CREATE TABLE t (content BLOB)")
    store.execute("BEGIN")
    store.executemany("INSERT INTO t VALUES (?)", [(os.urandom(65_000),) for _ in range(size // 65_000)])
    store.execute("COMMIT")
    return lambda: store.execute(f"PRAGMA rekey = '{os.urandom(8).hex()}'")


def _duckdb_copy(folder: Path, size: int) -> Callable[[], object]:
    source = folder / "duckdb.db"
    with duckdb.connect() as engine:
        # Without its httpfs extension it encrypts by mbedTLS, which it calls unsafe: the cipher is the same.
        engine.execute("SET force_mbedtls_unsafe = true")
        engine.execute(f"ATTACH '{source}' AS a (ENCRYPTION_KEY 'before')")
        engine.execute(f"CREATE TABLE a.t AS SELECT range AS id, md5(range::VARCHAR) AS tail FROM range({size // 40})")  # noqa: S608

    def copy() -> None:
        target = folder / "again.db"
        target.unlink(missing_ok=True)
        with duckdb.connect() as engine:
            engine.execute("SET force_mbedtls_unsafe = true")
            engine.execute(f"ATTACH '{source}' AS a (ENCRYPTION_KEY 'before', READ_ONLY)")
            engine.execute(f"ATTACH '{target}' AS b (ENCRYPTION_KEY 'after')")
            engine.execute("COPY FROM DATABASE a TO b")

    return copy


def _discard(blocks: Iterator[memoryview]) -> None:
    for _ in blocks:
        pass


def _speed(size: int, best: Best) -> str:
    return f"{size / best.cpu / 1e9:.1f} GB a CPU second"
