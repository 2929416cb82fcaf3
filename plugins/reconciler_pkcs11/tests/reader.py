"""A reader that is not ours: opens wrapped keys by python-pkcs11, in a process of its own (it initialises the module
for itself, and without locks). Reads one JSON object, answers with the keys in hex."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

HEADER = 18


def opened(session: Any, sealed: bytes, aad: bytes, mac: bytes) -> bytes:
    """By what blob.py documents, and nothing of ours."""
    bound, body = sealed[:HEADER] + aad, sealed[HEADER:]
    key = session.get_key(object_class=ObjectClass.SECRET_KEY, id=sealed[2:HEADER])
    if sealed[1] == 1:
        parameters = pkcs11.GCMParams(bytes(body[:12]), bound, 128)
        return bytes(key.decrypt(body[12:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters))
    if sealed[1] == 2:
        held = key.unwrap_key(
            ObjectClass.SECRET_KEY,
            KeyType.GENERIC_SECRET,
            body,
            mechanism=Mechanism.AES_KEY_WRAP_PAD,
            capabilities=0,
            template={Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True, Attribute.TOKEN: False},
        )
        value = bytes(held[Attribute.VALUE])
        assert value[:32] == hashlib.sha256(bound).digest()
        return value[32:]
    second = session.get_key(object_class=ObjectClass.SECRET_KEY, id=mac)
    signed = len(bound).to_bytes(8, "big") + bound + body[:-32]
    assert second.sign(signed, mechanism=Mechanism.SHA256_HMAC) == body[-32:]
    return bytes(key.decrypt(body[16:-32], mechanism=Mechanism.AES_CBC_PAD, mechanism_param=bytes(body[:16])))


if __name__ == "__main__":
    order = json.load(sys.stdin)
    token = pkcs11.lib(order["module"]).get_token(token_label=order["label"])
    with token.open(user_pin=order["pin"]) as session:
        found = [
            opened(session, bytes.fromhex(each["blob"]), bytes.fromhex(each["aad"]), bytes.fromhex(each["mac"])).hex()
            for each in order["blobs"]
        ]
    json.dump(found, sys.stdout)
