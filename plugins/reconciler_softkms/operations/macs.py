"""GenerateMac and VerifyMac: HMAC (RFC 2104, FIPS 198-1) at full length."""

from __future__ import annotations

import hmac
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import KMSInvalidMacException
from reconciler_softkms.door import Door
from reconciler_softkms.operations.using import CIPHERTEXT_BYTES, MESSAGE_BYTES, check_length, shown, usable_key
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.specs import GENERATE_VERIFY_MAC

_DIGESTS: Final = {f"HMAC_SHA_{bits}": f"sha{bits}" for bits in (224, 256, 384, 512)}


def generate_mac(door: Door, caller: Caller, key_id: str, message: bytes, *, algorithm: str) -> tuple[bytes, str]:
    """The message's MAC, and the key's ARN. InvalidKeyUsageException for an algorithm of other keys."""
    door = door.siblings.holding(door, key_id)
    with door.use(caller, "GenerateMac", shown(caller, {}, keyId=key_id, macAlgorithm=algorithm)) as asked:
        row = _mac_key(asked, key_id, message, algorithm)
        return _mac(asked, row, message, algorithm), door.names.key_arn(row.key_id)


def verify_mac(door: Door, caller: Caller, key_id: str, message: bytes, *, mac: bytes, algorithm: str) -> str:
    """The key's ARN. KMSInvalidMacException unless it is the message's MAC, whole, under that key."""
    door = door.siblings.holding(door, key_id)
    with door.use(caller, "VerifyMac", shown(caller, {}, keyId=key_id, macAlgorithm=algorithm)) as asked:
        check_length(mac, CIPHERTEXT_BYTES, "A MAC")
        row = _mac_key(asked, key_id, message, algorithm)
        if not hmac.compare_digest(_mac(asked, row, message, algorithm), mac):
            raise KMSInvalidMacException("The MAC is not that of this message under this key")
        return door.names.key_arn(row.key_id)


def _mac(asked: Request, row: KeyRow, message: bytes, algorithm: str) -> bytes:
    key = asked.door.materials.newest(asked.connection, row)
    return hmac.digest(key.expose_key_bytes(), message, _DIGESTS[algorithm])


def _mac_key(asked: Request, key_id: str, message: bytes, algorithm: str) -> KeyRow:
    check_length(message, MESSAGE_BYTES, "A message")
    return usable_key(
        asked,
        key_id,
        f"kms:{asked.name}",
        usage=GENERATE_VERIFY_MAC,
        algorithm=algorithm,
        attributes={"kms:macalgorithm": (algorithm,)},
    )
