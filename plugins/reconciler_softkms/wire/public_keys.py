"""GetPublicKey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import public_keys
from reconciler_softkms.specs import algorithms
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Granted, KeyName


class GetPublicKey(Granted):
    """Its form."""

    key_id: KeyName


def get_public_key(door: Door, caller: Caller, asked: GetPublicKey) -> Mapping[str, Any]:
    """The public key, and what it is good for: the algorithms of its usage."""
    public_key, key = public_keys.get_public_key(door, caller, asked.key_id)
    admitted = algorithms(key.key_spec, key.key_usage)
    return {
        "KeyId": key.arn,
        "PublicKey": public_key,
        "CustomerMasterKeySpec": key.key_spec,
        "KeySpec": key.key_spec,
        "KeyUsage": key.key_usage,
        "EncryptionAlgorithms": admitted.encryption or None,
        "SigningAlgorithms": admitted.signing or None,
        "KeyAgreementAlgorithms": admitted.agreement or None,
    }


OPERATIONS = {"GetPublicKey": Operation(GetPublicKey, get_public_key)}
