"""Suite cbc-hmac: AES-256-CBC, then HMAC-SHA-256 by a second key that never leaves either. Checked before decrypting.

The second key's id follows from the first's, so that one is found where the other is; its label says whose it is.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from reconciler_pkcs11.cryptoki.constants import Mechanism as Ckm
from reconciler_pkcs11.cryptoki.constants import MechanismFlag
from reconciler_pkcs11.cryptoki.mechanisms import Prepared, cbc_pad
from reconciler_pkcs11.token.findings import Finding, NotAuthentic
from reconciler_pkcs11.token.key_objects import ENCRYPTING, Use
from reconciler_pkcs11.token.opened import Opened

BLOCK: Final = 16
MAC_BYTES: Final = 32
MAC_LABEL: Final = "reconciler/mac/"
uses = ENCRYPTING
name = "cbc-hmac"


def mac_id(key_id: str) -> str:
    """The id of the second key."""
    return hashlib.sha256(b"reconciler mac key\0" + bytes.fromhex(key_id)).digest()[:16].hex()


def is_offered(opened: Opened) -> bool:
    """Whether the token says that it does both."""
    wanted = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
    return opened.flags(Ckm.AES_CBC_PAD) & wanted == wanted and bool(opened.flags(Ckm.SHA256_HMAC) & MechanismFlag.SIGN)


def wrap(use: Use, data: bytes, bound: bytes) -> bytes:
    """The body of a blob."""
    iv = use.session.random(BLOCK)
    sealed = use.session.encrypt(cbc_pad(iv), use.key, data)
    if len(sealed) != (len(data) // BLOCK + 1) * BLOCK:
        raise Finding("refused", "the token's AES-CBC gave another length than padding to a block does")
    return iv + sealed + _tag(use, bound, iv + sealed)


def unwrap(use: Use, body: bytes, bound: bytes) -> bytes:
    """What ``wrap`` was given."""
    rest = len(body) - BLOCK - MAC_BYTES
    if rest < BLOCK or rest % BLOCK:
        raise NotAuthentic
    sealed, tag = body[:-MAC_BYTES], body[-MAC_BYTES:]
    if not hmac.compare_digest(_tag(use, bound, sealed), tag):
        raise NotAuthentic
    return use.session.decrypt(cbc_pad(sealed[:BLOCK]), use.key, sealed[BLOCK:])


def _tag(use: Use, bound: bytes, sealed: bytes) -> bytes:
    if use.mac is None:
        raise ValueError("this suite needs its second key")
    tag = use.session.sign(Prepared(Ckm.SHA256_HMAC), use.mac, len(bound).to_bytes(8, "big") + bound + sealed)
    if len(tag) != MAC_BYTES:
        raise Finding("refused", "the token's HMAC-SHA-256 gave another length than 32 bytes")
    return tag
