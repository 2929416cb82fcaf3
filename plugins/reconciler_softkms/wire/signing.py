"""Sign and Verify."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import signing
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Ciphertext, KeyName, Message, Used

Algorithm = Literal[
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "ECDSA_SHA_256",
    "ECDSA_SHA_384",
    "ECDSA_SHA_512",
    "SM2DSA",
    "ML_DSA_SHAKE_256",
    "ED25519_SHA_512",
    "ED25519_PH_SHA_512",
]


class Sign(Used):
    """Its form."""

    key_id: KeyName
    message: Message
    message_type: Literal["RAW", "DIGEST", "EXTERNAL_MU"] = "RAW"
    signing_algorithm: Algorithm


class Verify(Sign):
    """Its form."""

    signature: Ciphertext


def sign(door: Door, caller: Caller, asked: Sign) -> Mapping[str, Any]:
    """The signature."""
    signature, arn = signing.sign(
        door, caller, asked.key_id, asked.message, algorithm=asked.signing_algorithm, message_type=asked.message_type
    )
    return {"KeyId": arn, "Signature": signature, "SigningAlgorithm": asked.signing_algorithm}


def verify(door: Door, caller: Caller, asked: Verify) -> Mapping[str, Any]:
    """That it is valid: one that is not is refused."""
    arn = signing.verify(
        door,
        caller,
        asked.key_id,
        asked.message,
        asked.signature,
        algorithm=asked.signing_algorithm,
        message_type=asked.message_type,
    )
    return {"KeyId": arn, "SignatureValid": True, "SigningAlgorithm": asked.signing_algorithm}


OPERATIONS = {"Sign": Operation(Sign, sign), "Verify": Operation(Verify, verify)}
