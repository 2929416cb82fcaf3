"""Blocks of bulk data, each under a random key of its own that seals one message and no other (RE3, I6, I7).

A block of n bytes becomes n bytes of ciphertext, so a sealed file has the size and the offsets of the plain one. What
opens it again, its *entry* (key 32 bytes | tag 16 bytes), is kept elsewhere, itself sealed. The nonce is the block's
index; the AAD is ``origin`` (a canonical encoding of who the block belongs to, the same for a whole file) followed by
the index. A plain file's entry is the SHA-256 of the block instead.

Buffers are the caller's and are used again: ``encrypt_into`` and ``decrypt_into`` allocate nothing and let other
threads run meanwhile, ``encrypt`` and ``decrypt`` do neither (DATAPLANE 1f).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import KEY_BYTES
from reconciler.errors import InvalidCiphertextException
from reconciler.model.ports import Random

TAG_BYTES: Final = 16
ENTRY_BYTES: Final = KEY_BYTES + TAG_BYTES
HASH_BYTES: Final = 32
_NONCE_BYTES: Final = 12


def seal_block(plain: memoryview, out: memoryview, origin: bytes, index: int, random: Random) -> bytes:
    """Fill ``out`` (len(plain) + 16 bytes) with ciphertext and tag, and answer the entry. Only the first len(plain)
    bytes of ``out`` are stored."""
    key = random.bytes(KEY_BYTES)
    AESGCM(key).encrypt_into(_nonce(index), plain, origin + encode(index), out)
    return key + out[len(plain) :]


def open_block(sealed: memoryview, out: memoryview, entry: bytes | memoryview, origin: bytes, index: int) -> None:
    """Fill ``out`` with the plaintext of ``sealed``: ciphertext of len(out) bytes and room for 16 more, which this call
    writes. InvalidCiphertextException for any other byte, index, origin or entry."""
    sealed[len(out) :] = entry[KEY_BYTES:]
    try:
        AESGCM(bytes(entry[:KEY_BYTES])).decrypt_into(_nonce(index), sealed, origin + encode(index), out)
    except InvalidTag:
        raise InvalidCiphertextException(f"block {index} does not open") from None


def hash_block(plain: memoryview, origin: bytes, index: int) -> bytes:
    """The entry of a block that is stored plain: bound to its place like a sealed one, but by a hash without key."""
    return hashlib.sha256(origin + encode(index) + hashlib.sha256(plain).digest()).digest()


def check_block(plain: memoryview, entry: bytes | memoryview, origin: bytes, index: int) -> None:
    """InvalidCiphertextException unless ``plain`` is the block that ``hash_block`` was given."""
    if not hmac.compare_digest(hash_block(plain, origin, index), bytes(entry)):
        raise InvalidCiphertextException(f"block {index} is not what was written")


def _nonce(index: int) -> bytes:
    return index.to_bytes(_NONCE_BYTES, "big")
