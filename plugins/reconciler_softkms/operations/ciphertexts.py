"""Sealing and opening one ciphertext, for a request that was let in: our blob under symmetric keys, OAEP under RSA."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from reconciler.errors import (
    IncorrectKeyException,
    InvalidCiphertextException,
    NotFoundException,
    ValidationException,
)
from reconciler.model.ports import Bytes
from reconciler.providers.keys import Context
from reconciler_softkms import blob
from reconciler_softkms.deletion import when_destroyed
from reconciler_softkms.door import Door
from reconciler_softkms.operations.using import (
    CIPHERTEXT_BYTES,
    UNDER_SYMMETRIC,
    Attributes,
    check_context,
    check_length,
)
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow, moment
from reconciler_softkms.specs import SYMMETRIC


@dataclass(frozen=True, slots=True)
class Under:
    """One side of an encryption. ``key_id`` None: the key that the ciphertext itself names."""

    key_id: str | None
    context: Context
    algorithm: str = SYMMETRIC

    @property
    def attributes(self) -> Attributes:
        """What policies can ask of it."""
        return UNDER_SYMMETRIC if self.algorithm == SYMMETRIC else {"kms:encryptionalgorithm": (self.algorithm,)}

    def check(self) -> None:
        """ValidationException for a context that is none, or that the algorithm cannot bind."""
        check_context(self.context)
        if self.context and self.algorithm != SYMMETRIC:
            raise ValidationException(f"An encryption context is for symmetric keys only; {self.algorithm} takes none")


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A ciphertext and its key. ``material_id`` is "" for an asymmetric key."""

    ciphertext: bytes
    key_arn: str
    material_id: str


class KeyElsewhere(Exception):
    """The store has never had the key that the ciphertext names. Behind the door it ends the request without a record,
    for it to be made at the door that ``holding`` finds."""


def holding(door: Door, ciphertext: bytes | None) -> Door:
    """The door behind which the key of the ciphertext is; ``door`` when nobody has it."""
    return door if ciphertext is None else door.siblings.holding_ciphertext(door, ciphertext)


def key_of(asked: Request, ciphertext: bytes | None, under: Under, *, is_last: bool) -> KeyRow:
    """The key to open with: the named one, else the one that the ciphertext names. A trial needs no ciphertext.
    KeyElsewhere unless this ``is_last`` door to ask at; then InvalidCiphertextException."""
    if ciphertext is None and not asked.caller.dry_run:
        raise ValidationException("There is no ciphertext in the request; only a trial (DryRun) does without")
    if ciphertext is not None:
        check_length(ciphertext, CIPHERTEXT_BYTES, "A ciphertext")
    if under.key_id is not None:
        return asked.key(under.key_id, by_alias=True)
    if ciphertext is None:
        raise ValidationException("The key must be named where there is no ciphertext")
    if under.algorithm != SYMMETRIC:
        raise ValidationException(f"The key must be named: no ciphertext of {under.algorithm} says under which it is")
    header, _ = blob.parse(ciphertext)
    row = asked.find(header.key_id)
    if row is None:
        raise _gone(asked, header.key_id, is_last=is_last)
    asked.key_arns.append(asked.names.key_arn(row.key_id))
    return row


def sealed(asked: Request, row: KeyRow, plaintext: Bytes, under: Under) -> Encrypted:
    """The plaintext under the key. ValidationException when it is too long for an RSA key."""
    materials, arn = asked.door.materials, asked.names.key_arn(row.key_id)
    if under.algorithm == SYMMETRIC:
        return Encrypted(materials.encrypt(asked.connection, row, plaintext, under.context), arn, row.material_id)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from reconciler_softkms import rsa_oaep

    pair = cast(RSAPrivateKey, materials.key_pair(asked.connection, row))  # its spec admits the algorithm
    return Encrypted(rsa_oaep.encrypt(pair.public_key(), under.algorithm, plaintext, row.key_spec), arn, "")


def check_kind(asked: Request, row: KeyRow, ciphertext: bytes | None, under: Under) -> None:
    """IncorrectKeyException for a symmetric key's ciphertext at a key of another kind: as at the public service, that
    is told before what such a key cannot do."""
    if ciphertext is not None and under.algorithm == SYMMETRIC and row.key_spec != SYMMETRIC:
        with suppress(InvalidCiphertextException):  # then it may be the key's own, of an algorithm that was not named
            if blob.parse(ciphertext)[0].key_id != row.key_id:
                raise _another_keys(asked, row)


def opened(asked: Request, row: KeyRow, ciphertext: bytes | None, under: Under) -> tuple[bytes, str]:
    """What the ciphertext holds, and the id of the symmetric material that opened it. InvalidCiphertextException, with
    nothing said of why; IncorrectKeyException when it says itself that it is another key's."""
    materials = asked.door.materials
    if ciphertext is None:
        return b"", ""  # the door ends a trial before anything is answered
    if under.algorithm == SYMMETRIC:
        header, _ = blob.parse(ciphertext)
        if row.key_id != header.key_id:
            raise _another_keys(asked, row)
        return materials.decrypt(asked.connection, header, ciphertext, under.context), header.material_id
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from reconciler_softkms import rsa_oaep

    pair = cast(RSAPrivateKey, materials.key_pair(asked.connection, row))  # its spec admits the algorithm
    return rsa_oaep.decrypt(pair, under.algorithm, ciphertext), ""


def _another_keys(asked: Request, row: KeyRow) -> IncorrectKeyException:
    return IncorrectKeyException(
        "The key ID in the request does not identify a CMK that can perform this operation.",
        detail=f"The ciphertext was not made under {asked.names.key_arn(row.key_id)}",
    )


def _gone(asked: Request, key_id: str, *, is_last: bool) -> Exception:
    destroyed = when_destroyed(asked.connection, key_id)
    gone = _deletion_date(asked, key_id) if destroyed is None else destroyed
    if gone is None:
        return (
            InvalidCiphertextException(
                "the ciphertext is damaged, or was made by the key service of another account or Region"
            )
            if is_last
            else KeyElsewhere()
        )
    arn = asked.names.key_arn(key_id)
    return NotFoundException(f"Key '{arn}' does not exist: its material was destroyed on {moment(gone):%Y-%m-%d}")


def _deletion_date(asked: Request, key_id: str) -> int | None:
    found = asked.connection.execute("SELECT deletion_at FROM keys WHERE key_id = ?", (key_id,)).fetchone()
    return found[0] if found else None
