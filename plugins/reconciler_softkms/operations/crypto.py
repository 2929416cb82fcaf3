"""GenerateDataKey, Encrypt, Decrypt, ReEncrypt (KM4, KM5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidKeyUsageException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.providers.keys import Context, DecryptedKey, GeneratedDataKey
from reconciler_softkms import blob
from reconciler_softkms.deletion import when_destroyed
from reconciler_softkms.door import Door
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow, moment
from reconciler_softkms.specs import ENCRYPT_DECRYPT, SYMMETRIC
from reconciler_softkms.states import require_usable

PLAINTEXT_BYTES: Final = 4096
CIPHERTEXT_BYTES: Final = 6144
DATA_KEY_BYTES: Final = 1024
_ALGORITHM: Final = {"encryptionAlgorithm": SYMMETRIC}
_KEY_SPECS: Final = {32: "AES_256", 16: "AES_128"}


def generate_data_key(
    door: Door, caller: Caller, key_id: str, context: Context, number_of_bytes: int
) -> GeneratedDataKey:
    """See ``KeyProvider.generate_data_key``."""
    size: dict[str, object] = (
        {"keySpec": _KEY_SPECS[number_of_bytes]}
        if number_of_bytes in _KEY_SPECS
        else {"numberOfBytes": number_of_bytes}
    )
    parameters = {**size, **_shown(context), "keyId": key_id}
    door.store.seal()
    with door.use(caller, "GenerateDataKey", parameters) as asked:
        _check_context(context)
        if not 1 <= number_of_bytes <= DATA_KEY_BYTES:
            raise ValidationException(f"A data key has 1 to {DATA_KEY_BYTES} bytes, not {number_of_bytes}")
        row = _usable(asked, asked.key(key_id, by_alias=True), "kms:GenerateDataKey", context)
        data_key = DataKey.generate(door.random, number_of_bytes)
        wrapped = door.materials.encrypt(asked.connection, row, data_key.expose_key_bytes(), context)
        return GeneratedDataKey(data_key, wrapped, door.names.key_arn(row.key_id), row.material_id)


def encrypt(door: Door, caller: Caller, key_id: str, plaintext: bytes, context: Context) -> bytes:
    """See ``KeyProvider.encrypt``."""
    door.store.seal()
    with door.use(caller, "Encrypt", {**_shown(context), "keyId": key_id, **_ALGORITHM}) as asked:
        _check_context(context)
        if not 1 <= len(plaintext) <= PLAINTEXT_BYTES:
            raise ValidationException(f"A plaintext has 1 to {PLAINTEXT_BYTES} bytes; this one has {len(plaintext)}")
        row = _usable(asked, asked.key(key_id, by_alias=True), "kms:Encrypt", context)
        return door.materials.encrypt(asked.connection, row, plaintext, context)


def decrypt(door: Door, caller: Caller, ciphertext: bytes, context: Context, key_id: str | None) -> DecryptedKey:
    """See ``KeyProvider.decrypt``."""
    named = {} if key_id is None else {"keyId": key_id}
    door.store.seal()
    with door.use(caller, "Decrypt", {**_shown(context), **named, **_ALGORITHM}) as asked:
        _check_context(context)
        row, header, plaintext = _opened(asked, ciphertext, context, key_id, "kms:Decrypt")
        return DecryptedKey(DataKey(plaintext), door.names.key_arn(row.key_id), header.material_id)


def re_encrypt(
    door: Door, caller: Caller, ciphertext: bytes, source_context: Context, *, key_id: str, context: Context
) -> bytes:
    """See ``KeyProvider.re_encrypt``; one record that names both keys."""
    parameters = {
        "sourceEncryptionContext": dict(source_context),
        "destinationEncryptionContext": dict(context),
        "destinationKeyId": key_id,
        "sourceEncryptionAlgorithm": SYMMETRIC,
        "destinationEncryptionAlgorithm": SYMMETRIC,
    }
    door.store.seal()
    with door.use(caller, "ReEncrypt", parameters) as asked:
        _check_context(source_context)
        _check_context(context)
        target = asked.key(key_id, by_alias=True)
        asked.authorize(target, "kms:ReEncryptTo", context=context)
        _, _, plaintext = _opened(asked, ciphertext, source_context, None, "kms:ReEncryptFrom")
        _require_symmetric(target, door)
        with DataKey(plaintext) as held:
            return door.materials.encrypt(asked.connection, target, held.expose_key_bytes(), context)


def _opened(
    asked: Request, ciphertext: bytes, context: Context, key_id: str | None, action: str
) -> tuple[KeyRow, blob.Header, bytes]:
    """The key of a ciphertext, checked in every way, and what the ciphertext holds."""
    if not 1 <= len(ciphertext) <= CIPHERTEXT_BYTES:
        raise ValidationException(f"A ciphertext has 1 to {CIPHERTEXT_BYTES} bytes; this one has {len(ciphertext)}")
    header, _ = blob.parse(ciphertext)
    row = _key_of_ciphertext(asked, header.key_id) if key_id is None else asked.key(key_id, by_alias=True)
    _usable(asked, row, action, context)
    if row.key_id != header.key_id:
        raise IncorrectKeyException(
            "The key ID in the request does not identify a CMK that can perform this operation:"
            f" the ciphertext was not made under {asked.names.key_arn(row.key_id)}"
        )
    return row, header, asked.door.materials.decrypt(asked.connection, ciphertext, context)


def _key_of_ciphertext(asked: Request, key_id: str) -> KeyRow:
    row = asked.find(key_id)
    if row is not None:
        asked.key_arns.append(asked.names.key_arn(row.key_id))
        return row
    destroyed = when_destroyed(asked.connection, key_id)
    gone = _deletion_date(asked, key_id) if destroyed is None else destroyed
    if gone is not None:
        arn = asked.names.key_arn(key_id)
        raise NotFoundException(f"Key '{arn}' does not exist: its material was destroyed on {moment(gone):%Y-%m-%d}")
    raise InvalidCiphertextException(
        "the ciphertext is damaged, or was made by the key service of another account or Region"
    )


def _deletion_date(asked: Request, key_id: str) -> int | None:
    found = asked.connection.execute("SELECT deletion_at FROM keys WHERE key_id = ?", (key_id,)).fetchone()
    return found[0] if found else None


def _usable(asked: Request, row: KeyRow, action: str, context: Context) -> KeyRow:
    asked.authorize(row, action, context=context)
    _require_symmetric(row, asked.door)
    return row


def _require_symmetric(row: KeyRow, door: Door) -> None:
    arn = door.names.key_arn(row.key_id)
    require_usable(row, arn)
    if row.key_usage != ENCRYPT_DECRYPT:
        raise InvalidKeyUsageException(f"{arn} key usage is {row.key_usage} which is not valid for this operation.")
    if row.key_spec != SYMMETRIC:
        raise UnsupportedOperationException(
            f"{arn} is a {row.key_spec} key; this key service encrypts under symmetric keys only"
        )


def _shown(context: Context) -> dict[str, object]:
    """The encryption context stands in clear in the record (KM4); none at all is left out."""
    return {"encryptionContext": dict(context)} if context else {}


def _check_context(context: Mapping[str, str]) -> None:
    for pair in context.items():
        for text in pair:
            if not isinstance(text, str) or (
                not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
            ):
                raise ValidationException("An encryption context is made of pairs of texts")
