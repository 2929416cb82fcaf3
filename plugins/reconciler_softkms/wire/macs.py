"""GenerateMac and VerifyMac."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import macs
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Ciphertext, KeyName, Message, Used


class GenerateMac(Used):
    """Its form."""

    message: Message
    key_id: KeyName
    mac_algorithm: Literal["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"]


class VerifyMac(GenerateMac):
    """Its form."""

    mac: Ciphertext


def generate_mac(door: Door, caller: Caller, asked: GenerateMac) -> Mapping[str, Any]:
    """The MAC."""
    mac, arn = macs.generate_mac(door, caller, asked.key_id, asked.message, algorithm=asked.mac_algorithm)
    return {"Mac": mac, "MacAlgorithm": asked.mac_algorithm, "KeyId": arn}


def verify_mac(door: Door, caller: Caller, asked: VerifyMac) -> Mapping[str, Any]:
    """That it is valid: one that is not is refused."""
    arn = macs.verify_mac(door, caller, asked.key_id, asked.message, mac=asked.mac, algorithm=asked.mac_algorithm)
    return {"KeyId": arn, "MacValid": True, "MacAlgorithm": asked.mac_algorithm}


OPERATIONS = {"GenerateMac": Operation(GenerateMac, generate_mac), "VerifyMac": Operation(VerifyMac, verify_mac)}
