"""DeriveSharedSecret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import agreement
from reconciler_softkms.wire.enclaves import Recipient
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import KeyName, PublicKey, Used


class DeriveSharedSecret(Used):
    """Its form."""

    key_id: KeyName
    key_agreement_algorithm: Literal["ECDH"]
    public_key: PublicKey
    recipient: Recipient = None


def derive_shared_secret(door: Door, caller: Caller, asked: DeriveSharedSecret) -> Mapping[str, Any]:
    """The secret, raw: to be put through a key derivation by the client."""
    agreed = agreement.derive_shared_secret(door, caller, asked.key_id, asked.public_key, asked.key_agreement_algorithm)
    with agreed.secret as secret:
        return {
            "KeyId": agreed.key_arn,
            "SharedSecret": bytes(secret.expose_key_bytes()),
            "KeyAgreementAlgorithm": asked.key_agreement_algorithm,
            "KeyOrigin": agreed.origin,
        }


OPERATIONS = {"DeriveSharedSecret": Operation(DeriveSharedSecret, derive_shared_secret)}
