"""A key provider whose keys wrap another store's own key: what a seal by an HSM key is made of (DESIGN 5)."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.providers.keys import Context


class WrappedKey(NamedTuple):
    """``key_arn`` is the key that did it, whatever name it was asked by: it must not go while this is needed (I3)."""

    key_arn: str
    wrapped: bytes


@runtime_checkable
class WrapsKeys(Protocol):
    """Keys that never leave the provider wrap 32 bytes for somebody else. Asked once when a key store is opened, once
    when it is sealed, and at no request. An HSM whose mechanism binds no context carries its digest inside (I7)."""

    def wrap_key(self, caller: Caller, key_id: str, key: DataKey, context: Context) -> WrappedKey:
        """``key`` wrapped under ``key_id`` (id, ARN, label or alias, as the provider names keys), bound to
        ``context``. At most 2 KiB. ServiceError, ProviderUnavailable."""

    def unwrap_key(self, caller: Caller, key_id: str, wrapped: bytes, context: Context) -> DataKey:
        """What ``wrap_key`` was given, for the caller to wipe. InvalidCiphertextException for another key, context or
        byte; ServiceError, ProviderUnavailable."""
