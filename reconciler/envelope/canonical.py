"""One unambiguous byte string for a set of fields: what every AAD is made of (I7).

Each field is a type byte, a 4-byte big-endian length and the value, so no two different lists of fields encode alike.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_length: Final = struct.Struct(">I").pack
_number: Final = struct.Struct(">Q").pack
Field = str | bytes | int | Mapping[str, str] | None


def encode(*fields: Field) -> bytes:
    """The canonical encoding of ``fields``, in order. A mapping is encoded as its pairs sorted by UTF-8 key (KM4)."""
    return b"".join([_encode_one(field) for field in fields])


def _encode_one(field: Field) -> bytes:
    if field is None:
        return b"N" + _length(0)
    if type(field) is dict:  # the usual mapping, found without asking what else it could be
        return _encode_pairs(tuple(field.items()))
    if isinstance(field, bytes):
        return b"B" + _length(len(field)) + field
    if isinstance(field, str):
        raw = field.encode()
        return b"S" + _length(len(raw)) + raw
    if isinstance(field, int):
        return b"I" + _length(8) + _number(field)
    return _encode_pairs(tuple(field.items()))


@lru_cache(maxsize=1024)
def _encode_pairs(pairs: tuple[tuple[str, str], ...]) -> bytes:  # many messages have one encryption context
    parts = []
    for name, value in sorted([(name.encode(), value.encode()) for name, value in pairs]):
        parts += [_length(len(name)), name, _length(len(value)), value]
    body = b"".join(parts)
    return b"M" + _length(len(body)) + body
