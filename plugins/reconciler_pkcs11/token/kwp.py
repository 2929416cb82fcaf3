"""Suite kwp: AES key wrap with padding (RFC 5649). The context goes with the key, as its digest.

The mechanism numbers lie: 0x210A is RFC 5649 at one token and something else at another. So each is tried once with a
known key, in every worker, before it is used.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from reconciler_pkcs11.cryptoki.codes import CkError
from reconciler_pkcs11.cryptoki.constants import Attribute, KeyType, MechanismFlag, ObjectClass
from reconciler_pkcs11.cryptoki.constants import Mechanism as Ckm
from reconciler_pkcs11.cryptoki.mechanisms import Prepared
from reconciler_pkcs11.token.findings import Finding, NotAuthentic
from reconciler_pkcs11.token.key_objects import WRAPPING, Use
from reconciler_pkcs11.token.opened import Opened

DIGEST_BYTES: Final = 32
BLOCK: Final = 8
uses = WRAPPING
name = "kwp"

# 64 bytes under AES-256 as RFC 5649 has it; ``cryptography`` and the RFC's own examples stand behind it in the tests.
# Of a length that no padding is needed for, since some tokens pad in a way of their own; no other length is wrapped.
KNOWN_KEY: Final = bytes(range(32))
KNOWN_DATA: Final = bytes(range(64, 128))
KNOWN_WRAPPED: Final = bytes.fromhex(
    "f2f0588f42f55c0ac7082198ccf18cce5e84ba5b1fb8dc35227e2c29eb13c80c48cb7a9411ea5b2b0aafd5c62234b762"
    "907ab62e0d76433491cbdd73cbf4f9be577406e7d8c4c235"
)


def is_offered(opened: Opened) -> bool:
    """Whether the token says that it does it, and means RFC 5649 by it."""
    return _mechanism(opened) is not None


def wrap(use: Use, data: bytes, bound: bytes) -> bytes:
    """The body of a blob. What is wrapped has to be an object for a moment, in this session only."""
    mechanism = Prepared(_needed(use.opened))
    held = use.session.create(_object(hashlib.sha256(bound).digest() + data))
    try:
        wrapped = use.session.wrap(mechanism, use.key, held)
    finally:
        use.session.destroy(held)
    if len(wrapped) != BLOCK + DIGEST_BYTES + len(data):
        raise Finding("refused", "the token's AES key wrap gave another length than RFC 5649 has")
    return wrapped


def unwrap(use: Use, body: bytes, bound: bytes) -> bytes:
    """What ``wrap`` was given."""
    if len(body) < BLOCK + DIGEST_BYTES + BLOCK or len(body) % BLOCK:
        raise NotAuthentic
    template = {each: value for each, value in _object(b"").items() if each != Attribute.VALUE}
    held = use.session.unwrap(Prepared(_needed(use.opened)), use.key, body, template)
    try:
        value = use.session.read(held, Attribute.VALUE)
    finally:
        use.session.destroy(held)
    if isinstance(value, CkError):
        raise value
    if len(value) != len(body) - BLOCK or not hmac.compare_digest(value[:DIGEST_BYTES], hashlib.sha256(bound).digest()):
        raise NotAuthentic
    return value[DIGEST_BYTES:]


def _object(
    value: bytes, kind: int = KeyType.GENERIC_SECRET, uses: tuple[int, ...] = ()
) -> dict[int, bool | int | bytes]:
    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: kind,
        Attribute.TOKEN: False,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: False,
        Attribute.EXTRACTABLE: True,
        **dict.fromkeys(uses, True),
        Attribute.VALUE: value,
    }


def _needed(opened: Opened) -> int:
    found = _mechanism(opened)
    if found is None:
        raise Finding("no-mechanism", "the token has no AES key wrap with padding (RFC 5649)")
    return found


def _mechanism(opened: Opened) -> int | None:
    """The number under which this token has RFC 5649."""
    if opened.padded_wrap is None:
        wanted = MechanismFlag.WRAP | MechanismFlag.UNWRAP
        for number in (Ckm.AES_KEY_WRAP_KWP, Ckm.AES_KEY_WRAP_PAD):
            if opened.flags(number) & wanted == wanted and _is_rfc_5649(opened, number):
                opened.padded_wrap = number
                break
    return opened.padded_wrap


def _is_rfc_5649(opened: Opened, number: int) -> bool:
    try:
        with opened.session() as session:
            key = session.create(_object(KNOWN_KEY, KeyType.AES, WRAPPING))
            data = session.create(_object(KNOWN_DATA))
            return session.wrap(Prepared(number), key, data) == KNOWN_WRAPPED
    except CkError:
        return False
