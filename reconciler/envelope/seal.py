"""Seal and open one message under a long-lived key: per-message derived key, key commitment, AES-256-GCM (I6–I8).

Layout, 92 bytes longer than the plaintext::

    salt 32 | nonce 12 | commitment 32 | ciphertext | tag 16

HKDF-SHA256 (RFC 5869) over the key with the random salt gives 64 bytes: the message's AES-256 key and the commitment.
Since each message has its own key, there is no counter to persist and none to repeat after a restore (I6). The
commitment is compared before anything is decrypted, so one ciphertext cannot open under two keys (CVE-2020-8897). The
layout is frozen by vectors in ``tests/envelope``.
"""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reconciler.envelope.data_key import DataKey
from reconciler.errors import InvalidCiphertextException
from reconciler.model.ports import Random

SALT_BYTES: Final = 32
NONCE_BYTES: Final = 12
COMMITMENT_BYTES: Final = 32
TAG_BYTES: Final = 16
OVERHEAD: Final = SALT_BYTES + NONCE_BYTES + COMMITMENT_BYTES + TAG_BYTES
_NONCE: Final = slice(SALT_BYTES, SALT_BYTES + NONCE_BYTES)
_COMMITMENT: Final = slice(_NONCE.stop, _NONCE.stop + COMMITMENT_BYTES)
_BODY: Final = slice(_COMMITMENT.stop, None)
_INFO: Final = b"reconciler/seal/v1"
_SHA256: Final = SHA256()


def seal(key: DataKey, plaintext: bytes | bytearray | memoryview, aad: bytes, random: Random) -> bytes:
    """``plaintext`` sealed under ``key`` and bound to ``aad`` (see ``canonical.encode``)."""
    drawn = random.bytes(SALT_BYTES + NONCE_BYTES)
    salt, nonce = drawn[:SALT_BYTES], drawn[SALT_BYTES:]
    message_key, commitment = _derive(key, salt)
    return drawn + commitment + AESGCM(message_key).encrypt(nonce, plaintext, aad)


def open_sealed(key: DataKey, sealed: bytes | memoryview, aad: bytes) -> bytes:
    """What ``seal`` was given. InvalidCiphertextException, with nothing said of why, for another key, AAD or byte."""
    raw = bytes(sealed)
    if len(raw) < OVERHEAD:
        raise InvalidCiphertextException("the ciphertext does not open")
    message_key, commitment = _derive(key, raw[:SALT_BYTES])
    if not hmac.compare_digest(raw[_COMMITMENT], commitment):
        raise InvalidCiphertextException("the ciphertext does not open")
    try:
        return AESGCM(message_key).decrypt(raw[_NONCE], raw[_BODY], aad)
    except InvalidTag:
        raise InvalidCiphertextException("the ciphertext does not open") from None


def is_sealed_under(key: DataKey, sealed: bytes) -> bool:
    """Whether ``key`` made that, by its commitment alone: nothing is opened, and no AAD is needed. For whoever is about
    to forget ``key`` and asks what would be lost with it."""
    if len(sealed) < OVERHEAD:
        return False
    return hmac.compare_digest(sealed[_COMMITMENT], _derive(key, sealed[:SALT_BYTES])[1])


def seal_key(parent: DataKey, child: DataKey, aad: bytes, random: Random) -> bytes:
    """``child`` wrapped under ``parent``: a tier of a hierarchy (RE3)."""
    return seal(parent, child.expose_key_bytes(), aad, random)


def open_key(parent: DataKey, wrapped: bytes, aad: bytes) -> DataKey:
    """The key that ``seal_key`` wrapped."""
    return DataKey(open_sealed(parent, wrapped, aad))


def _derive(key: DataKey, salt: bytes) -> tuple[bytes, bytes]:
    material = HKDF(_SHA256, 64, salt, _INFO).derive(key.expose_key_bytes())
    return material[:32], material[32:]
