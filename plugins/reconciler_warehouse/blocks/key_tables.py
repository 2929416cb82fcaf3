"""A segment's key table: how each of its blocks opens and what its rows look like, sealed as one message.

Body: the size in bytes, the block size, one entry a block, then what only the owner of the DEK may know: row count,
Arrow schema, zone maps. Under a DEK the body is sealed and bound to origin, table, segment, DEK and generation; without
one it is stored as it is, its entries being hashes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from reconciler.envelope.blocks import ENTRY_BYTES, HASH_BYTES
from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.seal import open_sealed, seal
from reconciler.errors import DamagedStore, InvalidCiphertextException
from reconciler.model.ports import Random

MAGIC: Final = b"RKT1"
BLOCK_BYTES: Final = 1 << 20  # of what is written, and the most that is read (docs/format.md says how it was chosen)
_HEAD: Final = struct.Struct(">4sBQIIII")  # magic, sealed, size, block size, blocks, bytes of schema, bytes of zones


@lru_cache(maxsize=256)
def _of_table(purpose: str, origin: str, table: str) -> bytes:
    """The fields that all segments of a table have in common: one list of fields is the one after the other."""
    return encode(purpose, origin, table)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentId:
    """Whose segment it is: random uids, never names, so that rename, restore and copy touch no data."""

    origin: str
    table: str
    segment: str

    def blocks(self) -> bytes:
        """What each block's AAD begins with."""
        return encode("reconciler/block/v1", self.origin, self.table, self.segment)

    def key_table(self, dek: str, generation: int) -> bytes:
        """The AAD of the sealed key table."""
        return _of_table("reconciler/key-table/v1", self.origin, self.table) + encode(self.segment, dek, generation)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTable:
    """An opened key table. ``entries`` are those of ``envelope.blocks``, one after the other; ``schema`` is Arrow's IPC
    form; ``zones`` maps a column to its least and greatest value."""

    sealed: bool
    size: int
    block_bytes: int
    rows: int
    schema: bytes
    zones: Mapping[str, tuple[Any, Any]]
    entries: bytes

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.size // self.block_bytes)

    def entry(self, index: int) -> memoryview:
        """How block ``index`` opens, or its hash."""
        width = ENTRY_BYTES if self.sealed else HASH_BYTES
        return memoryview(self.entries)[index * width : (index + 1) * width]

    def encode(self) -> bytes:
        """The body."""
        notes = json.dumps({"rows": self.rows, "zones": self.zones}, separators=(",", ":")).encode()
        head = _HEAD.pack(MAGIC, self.sealed, self.size, self.block_bytes, self.blocks, len(self.schema), len(notes))
        return b"".join((head, self.schema, notes, self.entries))

    @classmethod
    def decode(cls, body: bytes) -> KeyTable:
        """The key table with that body. ValueError for anything else."""
        if len(body) < _HEAD.size:
            raise ValueError("too short")
        magic, sealed, size, block_bytes, blocks, schema_bytes, notes_bytes = _HEAD.unpack_from(body)
        entries = _HEAD.size + schema_bytes + notes_bytes
        width = ENTRY_BYTES if sealed else HASH_BYTES
        if magic != MAGIC or not 0 < block_bytes <= BLOCK_BYTES or -(-size // block_bytes) != blocks:
            raise ValueError("not a key table")
        if len(body) != entries + blocks * width:
            raise ValueError("cut short")
        try:
            notes = json.loads(body[entries - notes_bytes : entries])
            rows, zones = int(notes["rows"]), {name: (low, high) for name, (low, high) in notes["zones"].items()}
        except (KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("not a key table") from None
        return cls(
            sealed=bool(sealed),
            size=size,
            block_bytes=block_bytes,
            rows=rows,
            schema=body[_HEAD.size : _HEAD.size + schema_bytes],
            zones=zones,
            entries=body[entries:],
        )


def seal_table(
    table: KeyTable, identity: SegmentId, generation: int, *, dek: str, key: DataKey, random: Random
) -> bytes:
    """The key table as it is stored under a DEK."""
    return seal(key, table.encode(), identity.key_table(dek, generation), random)


def open_table(body: bytes, identity: SegmentId, generation: int, *, dek: str | None, key: DataKey | None) -> KeyTable:
    """What ``seal_table`` stored, or a plain one when there is no DEK. DamagedStore for any other byte, owner, DEK or
    generation."""
    try:
        if dek is None:
            return KeyTable.decode(body)
        if key is None:
            raise InvalidCiphertextException("no key")
        return KeyTable.decode(open_sealed(key, body, identity.key_table(dek, generation)))
    except (InvalidCiphertextException, ValueError):
        raise DamagedStore(
            f"The key table of segment {identity.segment} is not what was written: it does not open",
            suggestion="Nothing was repaired by guessing. Restore the warehouse's folder from a backup.",
        ) from None
