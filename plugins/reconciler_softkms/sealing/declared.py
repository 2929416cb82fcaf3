"""The seal of a key store as its Provider's manifest declares it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.access.caller import Caller
from reconciler.providers.plugin import ProviderServices, Resolve
from reconciler_softkms.sealing.seal_file import SealFile
from reconciler_softkms.sealing.seals import Seals

if TYPE_CHECKING:
    from reconciler.providers.secret_source import SecretSource
    from reconciler_softkms.config import SealConfig
    from reconciler_softkms.sealing.row import Seal

SealsOf = Callable[[Path, str, str], Seals]


def seals_of(config: SealConfig | None, services: ProviderServices, resolve: Resolve) -> SealsOf:
    """Makes the seals of the stores that one provider opens, by folder, account and Region: its own, and those beside
    it under its home, which other Providers may have sealed in another way. ProviderUnavailable, MissingCapability for
    a key that cannot seal; nothing is asked of any seal."""
    wrapping = None if config is None or config.key is None else config.key
    if wrapping is not None:
        _key_seal(wrapping, services, resolve, services.account, services.region)  # refused now, or never

    def make(folder: Path, account: str, region: str) -> Seals:
        return Seals(
            SealFile(services.fs, folder / "seal.key", services.random),
            declared=_declared(config, services, resolve, account, region),
            declared_key=wrapping,
            by_key=lambda name: _key_seal(name, services, resolve, account, region),
            address=f"Provider/{services.name}",
            is_own=(account, region) == (services.account, services.region),
        )

    return make


def _declared(
    config: SealConfig | None, services: ProviderServices, resolve: Resolve, account: str, region: str
) -> Seal | None:
    if config is not None and config.key is not None:
        return _key_seal(config.key, services, resolve, account, region)
    source = None if config is None else config.passphrase_from
    if config is None or source is None:
        return None
    return passphrase_seal(source, services, memory_mib=config.memory_mib)


def passphrase_seal(source: SecretSource, services: ProviderServices, *, memory_mib: int) -> Seal:
    """The seal by the passphrase that stands there; it is read when it is asked for."""
    from reconciler.providers.secret_source import read_secret
    from reconciler_softkms.sealing.passphrase import WHAT, PassphraseSeal

    return PassphraseSeal(lambda: read_secret(source, WHAT, services.commands), services.random, memory_mib=memory_mib)


def _key_seal(name: str, services: ProviderServices, resolve: Resolve, account: str, region: str) -> Seal:
    from reconciler_softkms.sealing.key_seal import KeySeal

    caller = Caller(principal=services.principal, account=services.account)
    return KeySeal(name, resolve, caller, (account, region), services.random)
