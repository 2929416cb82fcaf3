"""The store as a whole, as ``KeepsKeyStore`` asks for it; what each does is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.sqlite import translated
from reconciler.providers.key_store import (
    BackupDescription,
    ResealedStore,
    RestoredStore,
    RestoreRequest,
    StoreCheck,
    StoreDescription,
)
from reconciler.providers.plugin import ProviderServices
from reconciler.providers.secret_source import SecretSource, read_secret
from reconciler_softkms.config import MEMORY_MIB
from reconciler_softkms.schema import WHAT

if TYPE_CHECKING:
    from reconciler_softkms.door import Door
    from reconciler_softkms.sealing.row import Seal


def describe_store(door: Door) -> StoreDescription | None:
    """See ``KeepsKeyStore``."""
    from reconciler_softkms.inspecting import describe

    with door.store.lock, translated(door.store.path, WHAT):
        connection = door.store.reading()
        return None if connection is None else describe(connection, door.store.path, door.store.fs, door.store.seals)


def check_store(door: Door) -> StoreCheck:
    """See ``KeepsKeyStore``."""
    from reconciler_softkms.inspecting import check

    return check(door)


def reseal_store(
    door: Door, services: ProviderServices, *, renew: bool, old_passphrase: SecretSource | None
) -> ResealedStore:
    """See ``KeepsKeyStore``."""
    from reconciler_softkms.resealing import reseal

    before = None if old_passphrase is None else _passphrase(services, old_passphrase)
    return reseal(door, renew=renew, before=before)


def back_up_store(door: Door, target: Path, *, with_seal_key: bool) -> BackupDescription:
    """See ``KeepsKeyStore``."""
    from reconciler_softkms.backing_up import back_up

    return back_up(door, target, with_seal_key=with_seal_key)


def check_backup(door: Door, source: Path) -> BackupDescription:
    """See ``KeepsKeyStore``."""
    from reconciler_softkms.backup_file import open_backup

    return open_backup(door.store.fs, source).description


def restore_store(door: Door, services: ProviderServices, request: RestoreRequest) -> RestoredStore:
    """See ``KeepsKeyStore``."""
    from reconciler_softkms.restoring import restore

    before = None if request.passphrase is None else _passphrase(services, request.passphrase)
    return restore(door, request, before)


def _passphrase(services: ProviderServices, source: SecretSource) -> Seal:
    from reconciler_softkms.sealing.passphrase import WHAT as PASSPHRASE
    from reconciler_softkms.sealing.passphrase import PassphraseSeal

    return PassphraseSeal(
        lambda: read_secret(source, PASSPHRASE, services.commands), services.random, memory_mib=MEMORY_MIB
    )
