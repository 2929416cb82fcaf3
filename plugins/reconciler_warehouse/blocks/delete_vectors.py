"""Delete vectors: which rows of a segment are deleted, beside the segment, which never changes.

A row's place in its segment never changes either, whatever file the segment lies in: so who deletes and who encrypts at
the same time are not in each other's way. A vector is one immutable row, sealed as a key table is: under the DEK, bound
to origin, table, segment, DEK and version. The next vector of a segment is another row with a higher version; a
snapshot goes on pointing at the one that it was taken with. The count of deleted rows is in clear, as counts are.

Body: magic, rows of the segment, deleted rows, then one bit a row, the first row in the lowest bit, under zlib.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler.model.ports import Random
from reconciler_warehouse.blocks.key_tables import SegmentId

MAGIC: Final = b"RDV1"
_HEAD: Final = struct.Struct(">4sQQ")
_FASTEST: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVector:
    """Of a segment of ``rows`` rows: ``marks`` has the bit of each deleted one."""

    rows: int
    marks: bytes

    @classmethod
    def none(cls, rows: int) -> DeleteVector:
        """Nothing is deleted."""
        return cls(rows=rows, marks=bytes(-(-rows // 8)))

    @property
    def deleted(self) -> int:
        """How many rows are."""
        return int.from_bytes(self.marks, "little").bit_count()

    def joined(self, marks: bytes | bytearray) -> DeleteVector:
        """The vector with the rows, too, that have a bit in ``marks``, which is of the same length."""
        both = int.from_bytes(self.marks, "little") | int.from_bytes(marks, "little")
        return DeleteVector(rows=self.rows, marks=both.to_bytes(len(self.marks), "little"))

    def kept(self, first: int, count: int) -> Any:
        """For ``count`` rows from ``first`` on: an Arrow array that is true where the row is there."""
        import pyarrow as pa  # type: ignore[import-untyped]  # loaded only where rows are read; pyarrow ships no types
        import pyarrow.compute as pc  # type: ignore[import-untyped]  # pyarrow ships no types

        marked = pa.BooleanArray.from_buffers(pa.bool_(), count, [None, pa.py_buffer(self.marks)], offset=first)
        return pc.invert(marked)

    def encode(self) -> bytes:
        """The body."""
        return _HEAD.pack(MAGIC, self.rows, self.deleted) + zlib.compress(self.marks, _FASTEST)

    @classmethod
    def decode(cls, body: bytes) -> DeleteVector:
        """The vector with that body. ValueError for anything else."""
        if len(body) < _HEAD.size:
            raise ValueError("too short")
        magic, rows, deleted = _HEAD.unpack_from(body)
        if magic != MAGIC:
            raise ValueError("not a delete vector")
        size = -(-rows // 8)
        unpacking = zlib.decompressobj()
        try:
            marks = unpacking.decompress(body[_HEAD.size :], size + 1)
        except zlib.error as error:
            raise ValueError("not a delete vector") from error
        found = cls(rows=rows, marks=marks)
        if len(marks) != size or not unpacking.eof or unpacking.unused_data or found.deleted != deleted:
            raise ValueError("not a delete vector")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorRow:
    """A vector as the catalogue has it, and what it says in clear: how many rows are deleted."""

    segment: str
    version: int
    rows: int
    dek: str | None
    body: bytes
    id: int = 0

    def opened(self, identity: SegmentId, deks: Mapping[str, DataKey], rows: int) -> DeleteVector:
        """The vector of a segment of ``rows`` rows. DamagedStore for any other byte, owner, DEK or version."""
        return open_vector(self, identity, key=deks.get(self.dek or ""), rows=rows)


def seal_vector(
    vector: DeleteVector, identity: SegmentId, version: int, *, dek: str | None, key: DataKey | None, random: Random
) -> bytes:
    """The vector as it is stored: sealed, or as it is where there is no DEK."""
    body = vector.encode()
    if dek is None:
        return body
    if key is None:
        raise ValueError("a DEK without its key")
    return seal(key, body, _bound_to(identity, dek, version), random)


def open_vector(row: VectorRow, identity: SegmentId, *, key: DataKey | None, rows: int) -> DeleteVector:
    """What ``seal_vector`` stored. DamagedStore for any other byte, owner, DEK or version."""
    try:
        body = row.body
        if row.dek is not None:
            if key is None:
                raise InvalidCiphertextException("no key")
            body = open_sealed(key, body, _bound_to(identity, row.dek, row.version))
        vector = DeleteVector.decode(body)
        if (vector.rows, vector.deleted) != (rows, row.rows):
            raise ValueError("of another segment")
    except (InvalidCiphertextException, ValueError):
        raise DamagedStore(
            f"The delete vector of segment {identity.segment} is not what was written: it does not open",
            suggestion="Nothing was repaired by guessing. Restore the warehouse's folder from a backup.",
        ) from None
    return vector


_OF: Final = {
    "cluster": "segment s JOIN data_table t ON t.uid = s.data_table WHERE t.cluster = ?1",
    "snapshot": "snapshot_segment s WHERE s.snapshot = ?1",
}
_COLUMNS: Final = "v.id, v.segment, v.version, v.rows, v.dek, v.body"


def of_table(catalogue: sqlite3.Connection, table: str) -> dict[str, VectorRow]:
    """The vectors of a table's segments, by the segment's uid."""
    rows = catalogue.execute(
        f"""SELECT s.uid, {_COLUMNS} FROM segment s JOIN delete_vector v ON v.id = s.delete_vector
            WHERE s.data_table = ?""",  # noqa: S608  # a constant
        (table,),
    )
    return {row[0]: _row(row[1:]) for row in rows}


def of_snapshot(catalogue: sqlite3.Connection, snapshot: str) -> dict[str, VectorRow]:
    """The vectors of a snapshot's segments, by the segment's uid."""
    rows = catalogue.execute(
        f"""SELECT s.uid, {_COLUMNS} FROM snapshot_segment s JOIN delete_vector v ON v.id = s.delete_vector
            WHERE s.snapshot = ?""",  # noqa: S608  # a constant
        (snapshot,),
    )
    return {row[0]: _row(row[1:]) for row in rows}


def segments_with(catalogue: sqlite3.Connection, kind: str, holder: str) -> list[str]:
    """Uids of the segments of a cluster or snapshot (``kind``) that have a vector, in order."""
    rows = catalogue.execute(
        f"SELECT s.uid FROM {_OF[kind]} AND s.delete_vector IS NOT NULL ORDER BY s.data_table, s.ordinal",  # noqa: S608
        (holder,),
    )
    return [uid for (uid,) in rows]


def vector_of(catalogue: sqlite3.Connection, kind: str, holder: str, segment: str) -> VectorRow | None:
    """The vector of one segment of a cluster or snapshot (``kind``), by the segment's uid."""
    row = catalogue.execute(
        f"SELECT s.delete_vector FROM {_OF[kind]} AND s.uid = ?2",  # noqa: S608  # a constant
        (holder, segment),
    ).fetchone()
    return None if row is None or row[0] is None else vector_at(catalogue, row[0])


def vector_at(catalogue: sqlite3.Connection, number: int) -> VectorRow | None:
    """The vector of that number."""
    row = catalogue.execute(
        f"SELECT {_COLUMNS} FROM delete_vector v WHERE v.id = ?",  # noqa: S608  # a constant
        (number,),
    ).fetchone()
    return None if row is None else _row(row)


def segments_not_under(
    catalogue: sqlite3.Connection, cluster: str, dek: str | None, limit: int, *, after: int = 0
) -> list[tuple[int, str]]:
    """Some of the cluster's segments whose delete vector is not sealed under ``dek`` (None: is sealed at all), as
    (number of the vector, uid of the segment) in the order of the numbers, from behind ``after``: what a rotation, an
    encryption and a decryption still have to ``reseal``."""
    rows = catalogue.execute(
        """SELECT s.delete_vector, s.uid FROM segment s CROSS JOIN data_table t ON t.uid = s.data_table
           CROSS JOIN delete_vector v ON v.id = s.delete_vector
           WHERE s.delete_vector > ?3 AND t.cluster = ?1 AND v.dek IS NOT ?2 ORDER BY s.delete_vector LIMIT ?4""",
        (cluster, dek, after, limit),
    )
    return rows.fetchall()


def add(catalogue: sqlite3.Connection, row: VectorRow) -> int:
    """A new vector's number; the one in ``row`` does not count. No segment points at it yet."""
    added = catalogue.execute(
        "INSERT INTO delete_vector (segment, version, rows, dek, body) VALUES (?,?,?,?,?)",
        (row.segment, row.version, row.rows, row.dek, row.body),
    )
    return int(added.lastrowid or 0)


def let_go(catalogue: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Remove the vectors that no segment and no snapshot points at any more."""
    catalogue.executemany(
        """DELETE FROM delete_vector WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM segment WHERE delete_vector = ?1)
           AND NOT EXISTS (SELECT 1 FROM past_segment WHERE delete_vector = ?1)""",
        [(number,) for number in numbers],
    )


def reseal(
    catalogue: sqlite3.Connection,
    segment: str,
    identity: SegmentId,
    *,
    dek: str | None,
    deks: Mapping[str, DataKey],
    random: Random,
) -> None:
    """The segment's vector, if it has one, under another DEK (None: as it is), as its next version. The segment's page
    of the manifest was touched before. DamagedStore."""
    found = catalogue.execute("SELECT delete_vector, rows FROM segment WHERE uid = ?", (segment,)).fetchone()
    before = None if found is None or found[0] is None else vector_at(catalogue, found[0])
    if before is None or before.dek == dek:
        return
    vector = before.opened(identity, deks, found[1])
    version = before.version + 1
    body = seal_vector(vector, identity, version, dek=dek, key=None if dek is None else deks[dek], random=random)
    number = add(catalogue, VectorRow(segment=segment, version=version, rows=vector.deleted, dek=dek, body=body))
    catalogue.execute("UPDATE segment SET delete_vector = ? WHERE uid = ?", (number, segment))
    let_go(catalogue, [before.id])


def _row(row: tuple[int, str, int, int, str | None, bytes]) -> VectorRow:
    return VectorRow(id=row[0], segment=row[1], version=row[2], rows=row[3], dek=row[4], body=row[5])


def _bound_to(identity: SegmentId, dek: str, version: int) -> bytes:
    return encode("reconciler/delete-vector/v1", identity.origin, identity.table, identity.segment, dek, version)
