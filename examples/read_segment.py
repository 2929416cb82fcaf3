"""Reads a table of a warehouse from the bytes on the disk, without reconciler: docs/format.md, carried out.

    python examples/read_segment.py .reconciler/warehouse/111122223333/eu-west-1 sales flights < dek

Standard input has the opened database key (32 bytes). Needs cryptography and pyarrow only. It checks every block, key
table and delete vector that it opens; the manifest, which says that nothing is missing, is left to the product.
"""

from __future__ import annotations

import hmac
import io
import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEGMENTS = """SELECT coalesce(s.identity, t.cluster || '/' || s.data_table || '/' || s.uid), s.file, i.content,
    k.generation, k.dek, k.body, v.version, v.dek, v.body
    FROM cluster c JOIN data_table t ON t.cluster = c.uid JOIN segment s ON s.data_table = t.uid
    JOIN key_table k ON k.id = s.key_table LEFT JOIN inline i ON i.file = s.file
    LEFT JOIN delete_vector v ON v.id = s.delete_vector WHERE c.name = ? AND t.name = ? ORDER BY s.ordinal"""


def encode(*fields: str | int) -> bytes:
    """The canonical encoding of fields: what every AAD is made of."""
    raw = [(b"I", struct.pack(">Q", one)) if isinstance(one, int) else (b"S", one.encode()) for one in fields]
    return b"".join(kind + struct.pack(">I", len(value)) + value for kind, value in raw)


def open_sealed(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """A message under a long-lived key: salt 32, nonce 12, commitment 32, ciphertext, tag 16."""
    derived = HKDF(SHA256(), 64, sealed[:32], b"reconciler/seal/v1").derive(key)
    if not hmac.compare_digest(sealed[44:76], derived[32:]):
        raise ValueError("it was sealed under another key")
    return AESGCM(derived[:32]).decrypt(sealed[32:44], sealed[76:], aad)


def opened_body(key: bytes, body: bytes, dek: str | None, bound_to: tuple[str | int, ...]) -> bytes:
    """A key table or delete vector: sealed under a database key, or as it is."""
    return body if dek is None else open_sealed(key, body, encode(*bound_to))


def plaintext(content: bytes, uids: list[str], table: bytes) -> bytes:
    """A sealed segment's Parquet file, from its stored bytes and its opened key table."""
    magic, _, size, block_bytes, blocks, schema, notes = struct.unpack_from(">4sBQIIII", table)
    if magic != b"RKT1" or len(content) != size:
        raise ValueError("not what was written")
    entries = table[29 + schema + notes :]
    origin, plain = encode("reconciler/block/v1", *uids), io.BytesIO()
    for index in range(blocks):
        entry = entries[index * 48 : index * 48 + 48]
        sealed = content[index * block_bytes : (index + 1) * block_bytes] + entry[32:]
        plain.write(AESGCM(entry[:32]).decrypt(index.to_bytes(12, "big"), sealed, origin + encode(index)))
    return plain.getvalue()


def segments(folder: Path, cluster: str, table: str, key: bytes) -> Iterator[Any]:
    """The rows of each segment, in order."""
    catalogue = sqlite3.connect(f"{(folder / 'catalogue.db').resolve().as_uri()}?mode=ro", uri=True)
    for made_as, file, inline, generation, dek, body, version, vector_dek, vector in catalogue.execute(
        SEGMENTS, (cluster, table)
    ):
        uids = made_as.split("/")
        stored = (folder / "data" / file).read_bytes() if inline is None else inline
        opened = opened_body(key, body, dek, ("reconciler/key-table/v1", *uids, dek, generation))
        # On this thread alone: one of Arrow's that lets go of Python's bytes while Python ends would abort the process.
        source = pa.BufferReader(stored if dek is None else plaintext(stored, uids, opened))
        rows = pq.ParquetFile(source, pre_buffer=False).read(use_threads=False)
        if vector is not None:
            opened = opened_body(key, vector, vector_dek, ("reconciler/delete-vector/v1", *uids, vector_dek, version))
            marks = zlib.decompress(opened[20:])
            rows = rows.filter(pa.array([not marks[place >> 3] >> (place & 7) & 1 for place in range(rows.num_rows)]))
        yield rows
    catalogue.close()


def main() -> None:
    """Print how many rows there are, and the first ones."""
    folder, cluster, table = sys.argv[1:]
    rows = pa.concat_tables(segments(Path(folder), cluster, table, sys.stdin.buffer.read()))
    print(f"{rows.num_rows} rows", file=sys.stderr)
    for row in rows.slice(0, 5).to_pylist():
        print(row)


if __name__ == "__main__":
    main()
