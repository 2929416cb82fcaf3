"""A data key as a partition wraps it, byte by byte. Frozen: what was written once must open for ever.

All of it stands under the token's authentication. ``bound`` below is the header and the caller's ``aad``::

    version 1 | suite 1 | key id 16 | body           the first three are the header

    suite 1, gcm       body = IV 12 | AES-256-GCM ciphertext and tag 16, with ``bound`` as AAD
    suite 2, kwp       body = AES-KWP (RFC 5649) of SHA-256(``bound``) 32 | key
    suite 3, cbc-hmac  body = IV 16 | AES-256-CBC, PKCS#7 | HMAC-SHA-256 32 over
                              length of ``bound`` 8 (big-endian) | ``bound`` | IV | ciphertext,
                              by a second key of the token

Standard library only: the worker reads it, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VERSION: Final = 1
ID_BYTES: Final = 16
HEADER_BYTES: Final = 2 + ID_BYTES
LENGTHS: Final = "8 to 128 bytes, in multiples of 8, are"
_CODES: Final = {"gcm": 1, "kwp": 2, "cbc-hmac": 3}
_SUITES: Final = {code: suite for suite, code in _CODES.items()}


class NoBlob(ValueError):
    """Bytes that cannot be a wrapped data key."""


@dataclass(frozen=True, slots=True)
class Blob:
    """``suite`` as ``Suite`` spells it; ``key_id`` in 32 hex digits."""

    suite: str
    key_id: str
    header: bytes
    body: bytes


def header(suite: str, key_id: str) -> bytes:
    """The beginning of a blob. ValueError for an id that is not 32 hex digits."""
    raw = bytes.fromhex(key_id)
    if len(raw) != ID_BYTES or len(key_id) != 2 * ID_BYTES:
        raise ValueError("a key id has 32 hex digits")
    return bytes((VERSION, _CODES[suite])) + raw


def may_be_wrapped(count: int) -> bool:
    """Whether a key of ``count`` bytes may be wrapped; such lengths mean the same to every token's key wrap."""
    return 8 <= count <= 128 and count % 8 == 0


def read(blob: bytes) -> Blob:
    """Its parts. NoBlob; whether it is authentic is for the token to say."""
    if len(blob) <= HEADER_BYTES or blob[0] != VERSION or blob[1] not in _SUITES:
        raise NoBlob
    start = bytes(blob[:HEADER_BYTES])
    return Blob(_SUITES[start[1]], start[2:].hex(), start, bytes(blob[HEADER_BYTES:]))
