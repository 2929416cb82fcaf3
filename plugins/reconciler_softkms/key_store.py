"""The part of the provider that is about its store as a whole, and about other stores that its keys seal.

What each call does is imported when it is called: hardly any command asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.host.sqlite import translated
from reconciler.providers.data import KeyUse
from reconciler.providers.key_store import (
    BackupDescription,
    ResealedStore,
    RestoredStore,
    RestoreRequest,
    StoreCheck,
    StoreDescription,
)
from reconciler.providers.key_wrapping import WrappedKey
from reconciler.providers.keys import Context
from reconciler.providers.plugin import ProviderServices
from reconciler.providers.secret_source import SecretSource
from reconciler_softkms.config import MEMORY_MIB
from reconciler_softkms.schema import WHAT
from reconciler_softkms.sealing.declared import passphrase_seal

if TYPE_CHECKING:
    from reconciler_softkms.door import Door
    from reconciler_softkms.sealing.row import Seal


class KeepsItsStore:
    """``KeepsKeyStore``, ``CountsKeyUses`` and ``WrapsKeys``, of the provider whose door and services these are."""

    _door: Door
    _services: ProviderServices

    def describe_store(self) -> StoreDescription | None:
        """See ``KeepsKeyStore``."""
        from reconciler_softkms.inspecting import describe

        store = self._door.store
        with store.lock, translated(store.path, WHAT):
            connection = store.reading()
            return None if connection is None else describe(connection, store.path, store.fs, store.seals)

    def check_store(self) -> StoreCheck:
        """See ``KeepsKeyStore``."""
        from reconciler_softkms.inspecting import check

        return check(self._door)

    def reseal_store(self, *, renew: bool, old_passphrase: SecretSource | None = None) -> ResealedStore:
        """See ``KeepsKeyStore``."""
        from reconciler_softkms.resealing import reseal

        return reseal(self._door, renew=renew, before=_passphrase(self._services, old_passphrase))

    def back_up_store(self, target: Path, *, with_seal_key: bool) -> BackupDescription:
        """See ``KeepsKeyStore``."""
        from reconciler_softkms.backing_up import back_up

        return back_up(self._door, target, with_seal_key=with_seal_key)

    def check_backup(self, source: Path) -> BackupDescription:
        """See ``KeepsKeyStore``."""
        from reconciler_softkms.backup_file import open_backup

        return open_backup(self._door.store.fs, source).description

    def restore_store(self, request: RestoreRequest) -> RestoredStore:
        """See ``KeepsKeyStore``."""
        from reconciler_softkms.restoring import restore

        return restore(self._door, request, _passphrase(self._services, request.passphrase))

    def key_uses(self, key_arn: str | None = None) -> list[KeyUse]:
        """See ``CountsKeyUses``: the key of another service that seals this one's store."""
        from reconciler_softkms.inspecting import key_uses

        return key_uses(self._door, self._services.name, key_arn)

    def wrap_key(self, caller: Caller, key_id: str, key: DataKey, context: Context) -> WrappedKey:
        """See ``WrapsKeys``."""
        from reconciler_softkms.operations.ciphertexts import Under
        from reconciler_softkms.operations.encryption import encrypt

        made = encrypt(self._door, caller, Under(key_id, context), bytes(key.expose_key_bytes()))
        return WrappedKey(made.key_arn, made.ciphertext)

    def unwrap_key(self, caller: Caller, key_id: str, wrapped: bytes, context: Context) -> DataKey:
        """See ``WrapsKeys``."""
        from reconciler_softkms.operations.ciphertexts import Under
        from reconciler_softkms.operations.encryption import decrypt

        return decrypt(self._door, caller, Under(key_id, context), wrapped).plaintext


def _passphrase(services: ProviderServices, source: SecretSource | None) -> Seal | None:
    return None if source is None else passphrase_seal(source, services, memory_mib=MEMORY_MIB)
