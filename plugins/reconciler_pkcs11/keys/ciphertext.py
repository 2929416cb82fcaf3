"""What a ``Key`` makes of a payload, byte by byte. Frozen: what was written once must open for ever.

    magic "RKHK" 4 | format 1 | key id 16 (UUID) | object id 16 | length of wrapped 2 (big-endian) | wrapped | sealed

``wrapped`` is a fresh message key under the version's object in the token (``blob``): one token operation, whatever the
payload's size. ``sealed`` is the payload under that key (``envelope.seal``). Both are bound to all that stands before
``wrapped`` but its length, and to the encryption context (KM4).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.envelope.canonical import encode
from reconciler.errors import InvalidCiphertextException

MAGIC: Final = b"RKHK"
FORMAT: Final = 1
_HEADER_BYTES: Final = 4 + 1 + 16 + 16


class Ciphertext(NamedTuple):
    """Its parts. ``object_id`` names the version, in 32 hex digits."""

    key_id: str
    object_id: str
    wrapped: bytes
    sealed: bytes


def header(key_id: str, object_id: str) -> bytes:
    """How a ciphertext of that version begins."""
    return MAGIC + bytes([FORMAT]) + uuid.UUID(key_id).bytes + bytes.fromhex(object_id)


def join(key_id: str, object_id: str, wrapped: bytes, sealed: bytes) -> bytes:
    """The ciphertext."""
    return header(key_id, object_id) + len(wrapped).to_bytes(2, "big") + wrapped + sealed


def split(ciphertext: bytes) -> Ciphertext:
    """Its parts. InvalidCiphertextException for bytes that cannot be one."""
    start, rest = ciphertext[:_HEADER_BYTES], ciphertext[_HEADER_BYTES:]
    length = int.from_bytes(rest[:2], "big")
    if len(rest) < 2 + length or not length or start[:5] != MAGIC + bytes([FORMAT]):
        raise InvalidCiphertextException("the ciphertext is not one of a key of this HSM")
    key_id, object_id = str(uuid.UUID(bytes=start[5:21])), start[21:].hex()
    return Ciphertext(key_id, object_id, rest[2 : 2 + length], rest[2 + length :])


def bound_to(key_id: str, object_id: str, context: Mapping[str, str]) -> bytes:
    """The AAD of both parts."""
    return encode("reconciler/hsm/ciphertext", header(key_id, object_id), dict(context))
