"""Suite gcm: AES-256-GCM with the header and the caller's bytes as AAD."""

from __future__ import annotations

from typing import Final

from reconciler_pkcs11.cryptoki.constants import Mechanism as Ckm
from reconciler_pkcs11.cryptoki.constants import MechanismFlag
from reconciler_pkcs11.cryptoki.mechanisms import GCM_TAG_BYTES, Gcm
from reconciler_pkcs11.token.findings import Finding, NotAuthentic
from reconciler_pkcs11.token.key_objects import ENCRYPTING, Use
from reconciler_pkcs11.token.opened import Opened

IV_BYTES: Final = 12
uses = ENCRYPTING
name = "gcm"


def is_offered(opened: Opened) -> bool:
    """Whether the token says that it does it."""
    wanted = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
    return opened.flags(Ckm.AES_GCM) & wanted == wanted


def wrap(use: Use, data: bytes, bound: bytes) -> bytes:
    """The body of a blob. The IV is the one that stands in the buffer afterwards: some tokens make their own."""
    mechanism = Gcm(use.session.random(IV_BYTES), bound)
    sealed = use.session.encrypt(mechanism, use.key, data)
    if len(mechanism.iv) != IV_BYTES or len(sealed) != len(data) + GCM_TAG_BYTES:
        raise Finding("refused", "the token's AES-GCM gave an IV or a ciphertext of another length than it must have")
    return mechanism.iv + sealed


def unwrap(use: Use, body: bytes, bound: bytes) -> bytes:
    """What ``wrap`` was given. NotAuthentic before the token is asked for what cannot be a body: some accept less than
    a tag, or are wedged by it."""
    if len(body) <= IV_BYTES + GCM_TAG_BYTES:
        raise NotAuthentic
    opened_data = use.session.decrypt(Gcm(body[:IV_BYTES], bound), use.key, body[IV_BYTES:])
    if len(opened_data) != len(body) - IV_BYTES - GCM_TAG_BYTES:
        raise NotAuthentic
    return opened_data
