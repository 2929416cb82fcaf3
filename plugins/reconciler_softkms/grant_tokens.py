"""Grant tokens: a grant's id, authenticated, so that a made-up one is known as such without being kept (KM3).

Grants count at once in this service, so a token never adds a permission; it is only checked to be one of ours.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from reconciler.envelope.mac import HmacSha256
from reconciler.errors import InvalidGrantTokenException
from reconciler.model.ports import Random
from reconciler_softkms.store import Store

_PURPOSE: Final = "softkms grant token"
_NONCE_BYTES: Final = 12
_ACCOUNT_BYTES: Final = 5
_HEAD_BYTES: Final = _NONCE_BYTES + _ACCOUNT_BYTES
_BYTES: Final = _HEAD_BYTES + 32 + 32


def issue(store: Store, random: Random, account: str, grant_id: str) -> str:
    """A fresh token for the grant on a key of ``account``; every call gives another one of the same worth."""
    body = random.bytes(_NONCE_BYTES) + int(account).to_bytes(_ACCOUNT_BYTES, "big") + bytes.fromhex(grant_id)
    return base64.urlsafe_b64encode(body + HmacSha256(store.seal().proofs).tag(_PURPOSE, body)).decode()


def account_of(token: str) -> str | None:
    """Whose key service the token says that it is of, before that one proves it; None for what is no token."""
    raw = _raw(token)
    return f"{int.from_bytes(raw[_NONCE_BYTES:_HEAD_BYTES], 'big'):012}" if len(raw) == _BYTES else None


def grant_id(store: Store, token: str) -> str:
    """The grant that a token is of. InvalidGrantTokenException for one that this service did not issue."""
    raw = _raw(token)
    body, tag = raw[: _BYTES - 32], raw[_BYTES - 32 :]
    if len(raw) != _BYTES or not HmacSha256(store.seal().proofs).verify(_PURPOSE, body, tag):
        raise InvalidGrantTokenException("A grant token of the request was not issued by this key service")
    return body[_HEAD_BYTES:].hex()


def _raw(token: str) -> bytes:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
