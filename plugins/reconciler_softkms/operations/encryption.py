"""Encrypt, Decrypt, ReEncrypt (KM4, KM5): under symmetric keys as our blob, under RSA keys as OAEP has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    IncorrectKeyException,
    InvalidCiphertextException,
    NotFoundException,
    ValidationException,
)
from reconciler.model.ports import Bytes
from reconciler.providers.keys import Context, DecryptedKey
from reconciler_softkms import blob
from reconciler_softkms.deletion import when_destroyed
from reconciler_softkms.door import Door
from reconciler_softkms.operations.using import (
    CIPHERTEXT_BYTES,
    MESSAGE_BYTES,
    UNDER_SYMMETRIC,
    Attributes,
    check_context,
    check_length,
    permit,
    require,
    shown,
    usable_key,
)
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow, moment
from reconciler_softkms.specs import ENCRYPT_DECRYPT, SYMMETRIC

_ON_SAME_KEY: Final = "kms:reencryptonsamekey"


@dataclass(frozen=True, slots=True)
class Under:
    """One side of an encryption. ``key_id`` None: the key that the ciphertext itself names."""

    key_id: str | None
    context: Context
    algorithm: str = SYMMETRIC


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A ciphertext and its key. ``material_id`` is "" for an asymmetric key."""

    ciphertext: bytes
    key_arn: str
    material_id: str


@dataclass(frozen=True, slots=True)
class ReEncrypted:
    """The new ciphertext, and what the old one was opened with (``source_material_id`` as in ``Encrypted``)."""

    encrypted: Encrypted
    source_key_arn: str
    source_material_id: str


def encrypt(door: Door, caller: Caller, under: Under, plaintext: bytes) -> Encrypted:
    """See ``KeyProvider.encrypt``. ``under.key_id`` is not None. An RSA key's algorithm must be named, and takes no
    context; ValidationException for a plaintext beyond what key and algorithm can hold."""
    door.store.seal()
    with door.use(caller, "Encrypt", _shown(caller, under)) as asked:
        _check(under)
        check_length(plaintext, MESSAGE_BYTES, "A plaintext")
        row = usable_key(
            asked,
            under.key_id or "",
            "kms:Encrypt",
            usage=ENCRYPT_DECRYPT,
            algorithm=under.algorithm,
            attributes=_attributes(under.algorithm),
            context=under.context,
        )
        return _sealed(asked, row, plaintext, under)


def decrypt(door: Door, caller: Caller, under: Under, ciphertext: bytes | None) -> DecryptedKey:
    """See ``KeyProvider.decrypt``. For an RSA key, key and algorithm must be named. Without a ciphertext, only whether
    the caller may decrypt under the key is tried (``Caller.dry_run``)."""
    door.store.seal()
    with door.use(caller, "Decrypt", _shown(caller, under)) as asked:
        _check(under)
        row = _key_of(asked, ciphertext, under)
        attributes = _attributes(under.algorithm)
        permit(asked, row, under.key_id, "kms:Decrypt", attributes=attributes, context=under.context)
        require(asked, row, ENCRYPT_DECRYPT, under.algorithm)
        plaintext, material_id = _opened(asked, row, ciphertext, under)
        return DecryptedKey(DataKey(plaintext), door.names.key_arn(row.key_id), material_id)


def re_encrypt(door: Door, caller: Caller, ciphertext: bytes | None, source: Under, target: Under) -> ReEncrypted:
    """See ``KeyProvider.re_encrypt``; one record that names both keys. ``target.key_id`` is not None. Without a
    ciphertext as ``decrypt``."""
    door.store.seal()
    with door.use(caller, "ReEncrypt", _both_shown(caller, source, target)) as asked:
        _check(source)
        _check(target)
        target_row = asked.key(target.key_id or "", by_alias=True)
        source_row = _key_of(asked, ciphertext, source)
        same = {_ON_SAME_KEY: ("true" if source_row.key_id == target_row.key_id else "false",)}
        for row, under, action in ((source_row, source, "kms:ReEncryptFrom"), (target_row, target, "kms:ReEncryptTo")):
            attributes = {**_attributes(under.algorithm), **same}
            permit(asked, row, under.key_id, action, attributes=attributes, context=under.context)
        for row, under in ((source_row, source), (target_row, target)):
            require(asked, row, ENCRYPT_DECRYPT, under.algorithm)
        plaintext, material_id = _opened(asked, source_row, ciphertext, source)
        made = _sealed(asked, target_row, plaintext, target)
        return ReEncrypted(made, door.names.key_arn(source_row.key_id), material_id)


def _sealed(asked: Request, row: KeyRow, plaintext: Bytes, under: Under) -> Encrypted:
    materials, arn = asked.door.materials, asked.names.key_arn(row.key_id)
    if under.algorithm == SYMMETRIC:
        return Encrypted(materials.encrypt(asked.connection, row, plaintext, under.context), arn, row.material_id)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from reconciler_softkms import rsa_oaep

    pair = cast(RSAPrivateKey, materials.key_pair(asked.connection, row))  # its spec admits the algorithm
    return Encrypted(rsa_oaep.encrypt(pair.public_key(), under.algorithm, plaintext, row.key_spec), arn, "")


def _opened(asked: Request, row: KeyRow, ciphertext: bytes | None, under: Under) -> tuple[bytes, str]:
    """What the ciphertext holds, and the id of the symmetric material that opened it."""
    materials = asked.door.materials
    if ciphertext is None:
        return b"", ""  # the door ends a trial before anything is answered
    if under.algorithm == SYMMETRIC:
        header, _ = blob.parse(ciphertext)
        if row.key_id != header.key_id:
            raise IncorrectKeyException(
                "The key ID in the request does not identify a CMK that can perform this operation:"
                f" the ciphertext was not made under {asked.names.key_arn(row.key_id)}"
            )
        return materials.decrypt(asked.connection, ciphertext, under.context), header.material_id
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from reconciler_softkms import rsa_oaep

    pair = cast(RSAPrivateKey, materials.key_pair(asked.connection, row))  # its spec admits the algorithm
    return rsa_oaep.decrypt(pair, under.algorithm, ciphertext), ""


def _key_of(asked: Request, ciphertext: bytes | None, under: Under) -> KeyRow:
    """The key to open with: the named one, else the one that the ciphertext names."""
    if ciphertext is None and not asked.caller.dry_run:
        raise ValidationException("There is no ciphertext in the request; only a trial (DryRun) does without")
    if ciphertext is not None:
        check_length(ciphertext, CIPHERTEXT_BYTES, "A ciphertext")
    if under.key_id is not None:
        return asked.key(under.key_id, by_alias=True)
    if ciphertext is None or under.algorithm != SYMMETRIC:
        raise ValidationException(
            f"The key must be named: the ciphertext of {under.algorithm} does not say under which key it is"
            if ciphertext is not None
            else "The key must be named where there is no ciphertext"
        )
    header, _ = blob.parse(ciphertext)
    row = asked.find(header.key_id)
    if row is None:
        raise _gone(asked, header.key_id)
    asked.key_arns.append(asked.names.key_arn(row.key_id))
    return row


def _gone(asked: Request, key_id: str) -> NotFoundException | InvalidCiphertextException:
    destroyed = when_destroyed(asked.connection, key_id)
    gone = _deletion_date(asked, key_id) if destroyed is None else destroyed
    if gone is None:
        return InvalidCiphertextException(
            "the ciphertext is damaged, or was made by the key service of another account or Region"
        )
    arn = asked.names.key_arn(key_id)
    return NotFoundException(f"Key '{arn}' does not exist: its material was destroyed on {moment(gone):%Y-%m-%d}")


def _deletion_date(asked: Request, key_id: str) -> int | None:
    found = asked.connection.execute("SELECT deletion_at FROM keys WHERE key_id = ?", (key_id,)).fetchone()
    return found[0] if found else None


def _check(under: Under) -> None:
    check_context(under.context)
    if under.context and under.algorithm != SYMMETRIC:
        raise ValidationException(f"An encryption context is for symmetric keys only; {under.algorithm} takes none")


def _attributes(algorithm: str) -> Attributes:
    return UNDER_SYMMETRIC if algorithm == SYMMETRIC else {"kms:encryptionalgorithm": (algorithm,)}


def _shown(caller: Caller, under: Under) -> Mapping[str, Any]:
    return shown(caller, under.context, keyId=under.key_id, encryptionAlgorithm=under.algorithm)


def _both_shown(caller: Caller, source: Under, target: Under) -> Mapping[str, Any]:
    parameters = shown(
        caller,
        {},
        sourceKeyId=source.key_id,
        destinationKeyId=target.key_id,
        sourceEncryptionAlgorithm=source.algorithm,
        destinationEncryptionAlgorithm=target.algorithm,
    )
    contexts = {"sourceEncryptionContext": source.context, "destinationEncryptionContext": target.context}
    return parameters | {name: dict(context) for name, context in contexts.items() if context}
