"""One unambiguous byte string for a set of fields: what every AAD is made of (I7).

Each field is a type byte, a 4-byte big-endian length and the value, so no two different lists of fields encode alike.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

Field = str | bytes | int | Mapping[str, str] | None


def encode(*fields: Field) -> bytes:
    """The canonical encoding of ``fields``, in order. A mapping is encoded as its pairs sorted by UTF-8 key (KM4)."""
    return b"".join(_encode_one(field) for field in fields)


def _encode_one(field: Field) -> bytes:
    if field is None:
        return b"N" + struct.pack(">I", 0)
    if isinstance(field, bytes):
        return b"B" + struct.pack(">I", len(field)) + field
    if isinstance(field, str):
        raw = field.encode()
        return b"S" + struct.pack(">I", len(raw)) + raw
    if isinstance(field, int):
        return b"I" + struct.pack(">IQ", 8, field)
    pairs = sorted((key.encode(), value.encode()) for key, value in field.items())
    body = b"".join(struct.pack(">I", len(key)) + key + struct.pack(">I", len(value)) + value for key, value in pairs)
    return b"M" + struct.pack(">I", len(body)) + body
