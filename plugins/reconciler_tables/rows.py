"""Sealed rows: primary keys as tags, contents as ciphertext, each partition under a sealed head.

A row's place is ``(partition tag, row tag)``, HMACs of its key under the index key: the disk shows neither keys nor
their order. Its content is sealed under the row key, bound to table uid and place, so it opens nowhere else. The head
of a partition, sealed too, holds how many members it has and the sum over them of a keyed digest (an additive multiset
hash): a row that was dropped, doubled or put back to an older version no longer adds up.

What the head cannot see is a whole partition, head included, gone back or gone (README, "Limits").
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.envelope.canonical import encode
from reconciler.envelope.mac import HmacSha256
from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import DamagedStore, InvalidCiphertextException, ResourceNotFoundException
from reconciler_tables import catalogue, table_schema
from reconciler_tables.catalogue import TableRecord
from reconciler_tables.names import TableName
from reconciler_tables.row_codec import KeyedRow, RowCodec
from reconciler_tables.site import Site
from reconciler_tables.table_key import InnerKeys, opened

_HEAD: Final = struct.Struct(">QQ32s")  # version, members, sum
_MODULUS: Final = 1 << 256


def put_rows(site: Site, name: TableName, rows: Sequence[Mapping[str, Any]]) -> None:
    """See ``TableProvider.put_rows``: all of them or none."""
    table = _active(site, name)
    codec = RowCodec(name, table_schema.from_json(table.schema))
    keyed = [codec.keyed(row) for row in rows]
    if not keyed:
        return
    with opened(site, table, "written") as keys, site.catalogue.write() as writing:
        still = catalogue.table_of_uid(writing, table.uid)
        if still is None or still.status != catalogue.ACTIVE or still.schema != table.schema:
            raise ResourceNotFoundException(f"Table {name} was dropped or changed meanwhile")
        writer = _Writer(site, writing, table, codec, keys)
        for row in keyed:
            writer.put(row)
        writer.finish()


def get_rows(site: Site, name: TableName, partition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """See ``TableProvider.get_rows``."""
    table = _active(site, name)
    codec = RowCodec(name, table_schema.from_json(table.schema))
    key = codec.partition(partition)
    with opened(site, table, "read") as keys:
        place = Places(table, keys)
        tag = place.partition(key)
        with site.catalogue.read() as reading:
            if reading is None:
                return []
            head = _load_head(reading, place, tag)
            stored = reading.execute(
                "SELECT row, sealed FROM sealed_row WHERE table_uid = ? AND partition = ?", (table.uid, tag)
            ).fetchall()
        total = sum(place.member(tag, row, sealed) for row, sealed in stored) % _MODULUS
        if (len(stored), total) != (head.members, head.total):
            raise _damaged(name)
        static_tag = place.static(tag)
        contents = {row: place.open_row(tag, row, sealed) for row, sealed in stored}
    static = contents.pop(static_tag, None)
    return codec.decoded(contents.values(), static)


@dataclass(slots=True)
class _Head:
    """How many members a partition has and what they add up to."""

    version: int = 0
    members: int = 0
    total: int = 0


class Places:
    """Tags, digests and bindings of one table."""

    def __init__(self, table: TableRecord, keys: InnerKeys) -> None:
        self._table = table
        self._keys = keys
        self._mac = HmacSha256(keys.index)

    def partition(self, key: bytes) -> bytes:
        """The tag of a partition."""
        return self._mac.tag("partition", encode(self._table.uid, key))

    def row(self, partition: bytes, clustering: bytes) -> bytes:
        """The tag of a row in its partition."""
        return self._mac.tag("row", encode(partition, clustering))

    def static(self, partition: bytes) -> bytes:
        """The tag of the partition's static columns."""
        return self._mac.tag("static", partition)

    def member(self, partition: bytes, row: bytes, sealed: bytes) -> int:
        """What a sealed row adds to its partition's sum."""
        return int.from_bytes(self._mac.tag("member", encode(partition, row, sealed)))

    def row_binding(self, partition: bytes, row: bytes) -> bytes:
        """What a row's ciphertext is bound to."""
        return encode("reconciler/tables/row/v1", self._table.uid, partition, row)

    def head_binding(self, partition: bytes) -> bytes:
        """What a head's ciphertext is bound to."""
        return encode("reconciler/tables/head/v1", self._table.uid, partition)

    def open_row(self, partition: bytes, row: bytes, sealed: bytes) -> bytes:
        """A row's content. DamagedStore."""
        return self._open(sealed, self.row_binding(partition, row))

    def open_head(self, partition: bytes, sealed: bytes) -> bytes:
        """A head's content. DamagedStore."""
        return self._open(sealed, self.head_binding(partition))

    @property
    def table(self) -> TableRecord:
        """Whose places these are."""
        return self._table

    def _open(self, sealed: bytes, binding: bytes) -> bytes:
        try:
            return open_sealed(self._keys.row, sealed, binding)
        except InvalidCiphertextException:
            raise _damaged(self._table.name) from None


@dataclass(slots=True)
class _Writer:
    """Puts rows of one table inside one transaction."""

    site: Site
    writing: sqlite3.Connection
    table: TableRecord
    codec: RowCodec
    keys: InnerKeys
    heads: dict[bytes, _Head] = field(default_factory=dict)
    more_rows: int = 0
    more_bytes: int = 0

    def put(self, row: KeyedRow) -> None:
        """Insert or replace one row, and merge the partition's static columns."""
        place = Places(self.table, self.keys)
        partition = place.partition(row.partition)
        if partition not in self.heads:
            self.heads[partition] = _load_head(self.writing, place, partition)
        if row.static:
            tag = place.static(partition)
            sealed = self._stored(partition, tag)
            before = None if sealed is None else place.open_row(partition, tag, sealed)
            self._replace(place, partition, tag, sealed, self.codec.merged_static(before, row.static))
        if row.clustering is not None and row.regular is not None:
            tag = place.row(partition, row.clustering)
            sealed = self._stored(partition, tag)
            self._replace(place, partition, tag, sealed, row.regular)
            self.more_rows += sealed is None

    def finish(self) -> None:
        """Seal the heads and add to the table's counts."""
        place = Places(self.table, self.keys)
        for partition, head in self.heads.items():
            content = _HEAD.pack(head.version + 1, head.members, head.total.to_bytes(32))
            sealed = seal(self.keys.row, content, place.head_binding(partition), self.site.random)
            self.writing.execute(
                "INSERT OR REPLACE INTO partition_head VALUES (?,?,?)", (self.table.uid, partition, sealed)
            )
        self.writing.execute(
            "UPDATE wide_table SET rows = rows + ?, bytes = bytes + ? WHERE uid = ?",
            (self.more_rows, self.more_bytes, self.table.uid),
        )

    def _stored(self, partition: bytes, row: bytes) -> bytes | None:
        found = self.writing.execute(
            "SELECT sealed FROM sealed_row WHERE table_uid = ? AND partition = ? AND row = ?",
            (self.table.uid, partition, row),
        ).fetchone()
        return None if found is None else bytes(found[0])

    def _replace(self, place: Places, partition: bytes, row: bytes, before: bytes | None, content: bytes) -> None:
        sealed = seal(self.keys.row, content, place.row_binding(partition, row), self.site.random)
        self.writing.execute(
            "INSERT OR REPLACE INTO sealed_row VALUES (?,?,?,?)", (self.table.uid, partition, row, sealed)
        )
        head = self.heads[partition]
        head.total += place.member(partition, row, sealed)
        if before is None:
            head.members += 1
        else:
            head.total -= place.member(partition, row, before)
        head.total %= _MODULUS
        self.more_bytes += len(sealed) - (0 if before is None else len(before))


@dataclass(slots=True)
class RowSum:
    """How many sealed rows there are, and what they add up to."""

    members: int = 0
    total: int = 0

    def add(self, member: int) -> None:
        """One more (see ``Places.member``)."""
        self.members += 1
        self.total = (self.total + member) % _MODULUS


def head_of(connection: sqlite3.Connection, place: Places, partition: bytes) -> RowSum:
    """What the partition's head says that its rows are. DamagedStore."""
    head = _load_head(connection, place, partition)
    return RowSum(head.members, head.total)


def _load_head(connection: sqlite3.Connection, place: Places, partition: bytes) -> _Head:
    found = connection.execute(
        "SELECT sealed FROM partition_head WHERE table_uid = ? AND partition = ?", (place.table.uid, partition)
    ).fetchone()
    if found is None:
        return _Head()
    try:
        version, members, total = _HEAD.unpack(place.open_head(partition, found[0]))
    except struct.error:
        raise _damaged(place.table.name) from None
    return _Head(version, members, int.from_bytes(total))


def _active(site: Site, name: TableName) -> TableRecord:
    with site.catalogue.read() as reading:
        found = None if reading is None else catalogue.table_named(reading, name)
    if found is None or found.status != catalogue.ACTIVE:
        status = "" if found is None else f" that is ACTIVE: it is {found.status}"
        raise ResourceNotFoundException(f"There is no table {name}{status}", suggestion="Make it first.")
    return found


def _damaged(name: TableName) -> DamagedStore:
    return DamagedStore(
        f"Rows of table {name} fail their check: they are not what was written",
        suggestion="They are left as they are. Put back a copy of tables.db and keyring.db from one backup.",
    )
