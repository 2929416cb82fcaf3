"""Encrypt, Decrypt, ReEncrypt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler_softkms.door import Door
from reconciler_softkms.operations import encryption, re_encryption
from reconciler_softkms.operations.ciphertexts import Under
from reconciler_softkms.specs import SYMMETRIC
from reconciler_softkms.wire.enclaves import Recipient
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Ciphertext, Context, KeyName, Message, Used, as_tuple

Algorithm = Literal["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"]


class Encrypt(Used):
    """Its form."""

    key_id: KeyName
    plaintext: Message
    encryption_context: Context = Field(default_factory=dict)
    encryption_algorithm: Algorithm = SYMMETRIC


class Opening(Used):
    """What Decrypt and ReEncrypt share. Of a trial, the ciphertext can be left out where it is to be ignored."""

    ciphertext_blob: Ciphertext | None = None
    dry_run_modifiers: Annotated[tuple[Literal["IGNORE_CIPHERTEXT"], ...], BeforeValidator(as_tuple)] = ()

    def ciphertext(self) -> bytes | None:
        """The ciphertext; None for a trial that ignores it. ValidationException where one is needed."""
        if self.dry_run and self.dry_run_modifiers:
            return None
        if self.ciphertext_blob is None:
            raise ValidationException(
                "1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint:"
                " Member must not be null"
            )
        return self.ciphertext_blob


class Decrypt(Opening):
    """Its form."""

    encryption_context: Context = Field(default_factory=dict)
    key_id: KeyName | None = None
    encryption_algorithm: Algorithm = SYMMETRIC
    recipient: Recipient = None


class ReEncrypt(Opening):
    """Its form."""

    source_encryption_context: Context = Field(default_factory=dict)
    source_key_id: KeyName | None = None
    source_encryption_algorithm: Algorithm = SYMMETRIC
    destination_key_id: KeyName
    destination_encryption_context: Context = Field(default_factory=dict)
    destination_encryption_algorithm: Algorithm = SYMMETRIC


def encrypt(door: Door, caller: Caller, asked: Encrypt) -> Mapping[str, Any]:
    """The ciphertext."""
    under = Under(asked.key_id, asked.encryption_context, asked.encryption_algorithm)
    made = encryption.encrypt(door, caller, under, asked.plaintext)
    return {
        "CiphertextBlob": made.ciphertext,
        "KeyId": made.key_arn,
        "EncryptionAlgorithm": under.algorithm,
    }


def decrypt(door: Door, caller: Caller, asked: Decrypt) -> Mapping[str, Any]:
    """What it holds. ``KeyMaterialId`` is told of symmetric keys only."""
    under = Under(asked.key_id, asked.encryption_context, asked.encryption_algorithm)
    opened = encryption.decrypt(door, caller, under, asked.ciphertext())
    with opened.plaintext as plaintext:
        return {
            "KeyId": opened.key_arn,
            "Plaintext": bytes(plaintext.expose_key_bytes()) if len(plaintext) else b"",
            "EncryptionAlgorithm": under.algorithm,
            "KeyMaterialId": opened.material_id or None,
        }


def re_encrypt(door: Door, caller: Caller, asked: ReEncrypt) -> Mapping[str, Any]:
    """The new ciphertext, and which keys and materials both are under."""
    source = Under(asked.source_key_id, asked.source_encryption_context, asked.source_encryption_algorithm)
    target = Under(
        asked.destination_key_id, asked.destination_encryption_context, asked.destination_encryption_algorithm
    )
    made = re_encryption.re_encrypt(door, caller, asked.ciphertext(), source, target)
    return {
        "CiphertextBlob": made.encrypted.ciphertext,
        "SourceKeyId": made.source_key_arn,
        "KeyId": made.encrypted.key_arn,
        "SourceEncryptionAlgorithm": source.algorithm,
        "DestinationEncryptionAlgorithm": target.algorithm,
        "SourceKeyMaterialId": made.source_material_id or None,
        "DestinationKeyMaterialId": made.encrypted.material_id or None,
    }


OPERATIONS = {
    "Encrypt": Operation(Encrypt, encrypt),
    "Decrypt": Operation(Decrypt, decrypt),
    "ReEncrypt": Operation(ReEncrypt, re_encrypt),
}
