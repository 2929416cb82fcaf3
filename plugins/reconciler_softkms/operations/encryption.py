"""Encrypt and Decrypt (KM4, KM5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.providers.keys import DecryptedKey
from reconciler_softkms.door import Door
from reconciler_softkms.operations.ciphertexts import (
    Encrypted,
    KeyElsewhere,
    Under,
    check_kind,
    holding,
    key_of,
    opened,
    sealed,
)
from reconciler_softkms.operations.using import MESSAGE_BYTES, check_length, permit, require, shown, usable_key
from reconciler_softkms.specs import ENCRYPT_DECRYPT


def encrypt(door: Door, caller: Caller, under: Under, plaintext: bytes) -> Encrypted:
    """See ``KeyProvider.encrypt``. ``under.key_id`` is not None. An RSA key's algorithm must be named, and takes no
    context; ValidationException for a plaintext beyond what key and algorithm can hold."""
    key_id = under.key_id or ""
    door = door.siblings.holding(door, key_id)
    with door.use(caller, "Encrypt", _shown(caller, under)) as asked:
        under.check()
        check_length(plaintext, MESSAGE_BYTES, "A plaintext")
        row = usable_key(
            asked,
            key_id,
            "kms:Encrypt",
            usage=ENCRYPT_DECRYPT,
            algorithm=under.algorithm,
            attributes=under.attributes,
            context=under.context,
        )
        return sealed(asked, row, plaintext, under)


def decrypt(door: Door, caller: Caller, under: Under, ciphertext: bytes | None) -> DecryptedKey:
    """See ``KeyProvider.decrypt``. For an RSA key, key and algorithm must be named. Without a ciphertext, only whether
    the caller may decrypt under the key is tried (``Caller.dry_run``)."""
    try:
        at = door if under.key_id is None else door.siblings.holding(door, under.key_id)
        return _decrypt(at, caller, under, ciphertext, is_last=False)
    except KeyElsewhere:
        return _decrypt(holding(door, ciphertext), caller, under, ciphertext, is_last=True)


def _decrypt(door: Door, caller: Caller, under: Under, ciphertext: bytes | None, *, is_last: bool) -> DecryptedKey:
    with door.use(caller, "Decrypt", _shown(caller, under)) as asked:
        under.check()
        row = key_of(asked, ciphertext, under, is_last=is_last)
        permit(asked, row, under.key_id, "kms:Decrypt", attributes=under.attributes, context=under.context)
        check_kind(asked, row, ciphertext, under)
        require(asked, row, ENCRYPT_DECRYPT, under.algorithm)
        plaintext, material_id = opened(asked, row, ciphertext, under)
        return DecryptedKey(DataKey(plaintext), door.names.key_arn(row.key_id), material_id)


def _shown(caller: Caller, under: Under) -> Mapping[str, Any]:
    return shown(caller, under.context, keyId=under.key_id, encryptionAlgorithm=under.algorithm)
