"""HMAC-SHA256 under a key of ours: what state, plans and caches are authenticated with (I9).

Uses the standard library's ``hmac`` (OpenSSL's HMAC underneath): a warm plan verifies its cache without importing
cryptography, whose import costs more than reading the cache (README, decision log).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from reconciler.envelope.data_key import DataKey


class HmacSha256:
    """A ``Mac`` (``model.ports``) over ``purpose`` and message; the purpose separates uses of one key."""

    def __init__(self, key: DataKey) -> None:
        self._key = key

    def tag(self, purpose: str, message: bytes) -> bytes:
        """32 bytes."""
        name = purpose.encode()
        return hmac.digest(self._key.expose_key_bytes(), len(name).to_bytes(4, "big") + name + message, "sha256")

    def verify(self, purpose: str, message: bytes, tag: bytes) -> bool:
        """Whether ``tag`` is right."""
        return hmac.compare_digest(self.tag(purpose, message), tag)

    def derived(self, purpose: str) -> Callable[[bytes], bytes]:
        """A function that tags under a key of its own."""
        key, digest = self.tag("derived key", purpose.encode()), hmac.digest
        return lambda message: digest(key, message, "sha256")
