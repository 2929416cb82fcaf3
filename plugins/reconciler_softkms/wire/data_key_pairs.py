"""GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import data_key_pairs
from reconciler_softkms.operations.data_key_pairs import GeneratedKeyPair
from reconciler_softkms.wire.enclaves import Recipient
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Context, KeyName, Used

KeyPairSpec = Literal[
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SM2",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
]


class GenerateDataKeyPairWithoutPlaintext(Used):
    """Its form."""

    key_id: KeyName
    key_pair_spec: KeyPairSpec
    encryption_context: Context = Field(default_factory=dict)


class GenerateDataKeyPair(GenerateDataKeyPairWithoutPlaintext):
    """Its form."""

    recipient: Recipient = None


def generate_data_key_pair(door: Door, caller: Caller, asked: GenerateDataKeyPair) -> Mapping[str, Any]:
    """The pair, its private key in clear and wrapped."""
    made = _made(door, caller, asked, data_key_pairs.GENERATE)
    with made.private_key as private_key:
        return {**_answered(made, asked), "PrivateKeyPlaintext": bytes(private_key.expose_key_bytes())}


def without_plaintext(door: Door, caller: Caller, asked: GenerateDataKeyPairWithoutPlaintext) -> Mapping[str, Any]:
    """The pair, its private key wrapped only."""
    made = _made(door, caller, asked, data_key_pairs.WITHOUT_PLAINTEXT)
    made.private_key.wipe()
    return _answered(made, asked)


def _made(door: Door, caller: Caller, asked: GenerateDataKeyPairWithoutPlaintext, name: str) -> GeneratedKeyPair:
    return data_key_pairs.generate_data_key_pair(
        door, caller, asked.key_id, asked.encryption_context, pair_spec=asked.key_pair_spec, name=name
    )


def _answered(made: GeneratedKeyPair, asked: GenerateDataKeyPairWithoutPlaintext) -> dict[str, Any]:
    return {
        "PrivateKeyCiphertextBlob": made.wrapped,
        "PublicKey": made.public_key,
        "KeyId": made.key_arn,
        "KeyPairSpec": asked.key_pair_spec,
        "KeyMaterialId": made.material_id,
    }


OPERATIONS = {
    data_key_pairs.GENERATE: Operation(GenerateDataKeyPair, generate_data_key_pair),
    data_key_pairs.WITHOUT_PLAINTEXT: Operation(GenerateDataKeyPairWithoutPlaintext, without_plaintext),
}
