"""Parquet Modular Encryption as other tools know it: where a file says which key opens it, and how that key is wrapped.

Bytes only, no pyarrow. The form is that of the key tools which parquet-cpp and parquet-java share (PKMT1): readers of
both ask a ``KmsClient`` to unwrap, with what stands in the file. pyarrow writes a file under a key of ours and an AAD
prefix, and leaves out where the key comes from; ``with_key_metadata`` adds just that.

A wrapped key is text: its encryption context (JSON) and the key service's ciphertext, each in base64, with a dot in
between. The context is no secret and must be given again to open the key, so that policies and audit see what is read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ENCRYPTED_MAGIC: Final = b"PARE"
_LENGTH_AND_MAGIC: Final = 8
_STOP: Final = b"\x00"
_KEY_METADATA: Final = b"\x18"  # Thrift's compact protocol: the next field (the second), a binary
_BOOLEANS, _BYTE, _INTEGERS, _BINARY, _STRUCT = (1, 2), 3, (4, 5, 6), 8, 12
_DEEPEST: Final = 8
_LONGEST_CONTEXT: Final = 8192


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A file's data key under a key of the key service."""

    ciphertext: bytes
    context: Mapping[str, str]

    def __str__(self) -> str:
        context = json.dumps(dict(self.context), separators=(",", ":"), sort_keys=True).encode()
        return f"{base64.b64encode(context).decode()}.{base64.b64encode(self.ciphertext).decode()}"

    @classmethod
    def parse(cls, text: str) -> WrappedKey:
        """What ``str`` made of one; text without a dot is a ciphertext without a context, as other writers have it.
        ValueError."""
        context, dot, ciphertext = text.rpartition(".")
        try:
            pairs = json.loads(base64.b64decode(context, validate=True)) if dot else {}
            opened = base64.b64decode(ciphertext, validate=True)
        except (binascii.Error, ValueError, RecursionError):
            raise ValueError("not a wrapped key") from None
        if len(context) > _LONGEST_CONTEXT or not isinstance(pairs, dict):
            raise ValueError("not an encryption context")
        if not all(isinstance(one, str) for pair in pairs.items() for one in pair):
            raise ValueError("not an encryption context")
        return cls(opened, pairs)


def key_metadata(wrapped: WrappedKey, key_arn: str) -> bytes:
    """What a file says of the key of its footer and columns: wrapped once, by that key of the key service."""
    return json.dumps(
        {
            "keyMaterialType": "PKMT1",
            "internalStorage": True,
            "isFooterKey": True,
            "kmsInstanceID": "DEFAULT",
            "kmsInstanceURL": "DEFAULT",
            "masterKeyID": key_arn,
            "wrappedDEK": str(wrapped),
            "doubleWrapping": False,
        },
        separators=(",", ":"),
    ).encode()


def with_key_metadata(tail: bytes, metadata: bytes) -> bytes:
    """The end of an encrypted file (which has the whole footer) that now says where its key comes from. ValueError when
    it is no such end, or says so already.

    The field stands in clear before the footer's ciphertext, and no offset points behind it.
    """
    footer_length = int.from_bytes(tail[-8:-4], "little")
    start = len(tail) - _LENGTH_AND_MAGIC - footer_length
    if tail[-4:] != ENCRYPTED_MAGIC or start < 0:
        raise ValueError("not the end of an encrypted Parquet file")
    footer = tail[start:-_LENGTH_AND_MAGIC]
    fields, end = _struct(footer, 0)
    if fields != [1]:
        raise ValueError("its key is named already")
    said = b"".join((footer[: end - 1], _KEY_METADATA, _varint(len(metadata)), metadata, _STOP, footer[end:]))
    return b"".join((tail[:start], said, len(said).to_bytes(4, "little"), ENCRYPTED_MAGIC))


def _struct(data: bytes, place: int, depth: int = 0) -> tuple[list[int], int]:
    """The field ids of a Thrift struct in the compact protocol, and where it ends."""
    found: list[int] = []
    while (header := _at(data, place)) != 0:
        place += 1
        kind, delta = header & 15, header >> 4
        if not delta or depth > _DEEPEST:
            raise ValueError("not the struct of an encrypted Parquet file")
        found.append((found[-1] if found else 0) + delta)
        if kind == _BINARY:
            length, place = _read_varint(data, place)
            place += length
        elif kind == _STRUCT:
            place = _struct(data, place, depth + 1)[1]
        elif kind in _INTEGERS:
            place = _read_varint(data, place)[1]
        elif kind == _BYTE:
            place += 1
        elif kind not in _BOOLEANS:
            raise ValueError("not the struct of an encrypted Parquet file")
    return found, place + 1


def _at(data: bytes, place: int) -> int:
    if place >= len(data):
        raise ValueError("cut short")
    return data[place]


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = _at(data, place)
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("not a number")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
