"""Which Providers keep a key store of their own, and what these commands' arguments mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler.commands.key_services import KeyServices
from reconciler.commands.session import Session
from reconciler.errors import MissingCapability, UsageError
from reconciler.providers.key_store import KeepsKeyStore
from reconciler.providers.secret_source import SecretSource


def keepers(session: Session) -> Iterator[tuple[str, KeepsKeyStore]]:
    """The key services of the home that keep a key store, by name: declared ones, and what `serve` made by itself."""
    found = KeyServices.of(session)
    for name in sorted(found.declarations):
        if found.is_one(name):
            provider = found.provider(name)
            if isinstance(provider, KeepsKeyStore):
                yield name, provider


def keeper(session: Session, name: str) -> KeepsKeyStore:
    """That of Provider ``name``, or of the store ``softkms/ACCOUNT/REGION``. ProviderUnavailable, MissingCapability."""
    provider = KeyServices.of(session).provider(name.removeprefix("Provider/"))
    if not isinstance(provider, KeepsKeyStore):
        raise MissingCapability(
            f"Provider/{name.removeprefix('Provider/')} keeps no key store on this machine",
            suggestion="`reconciler keystore list` shows those that do.",
        )
    return provider


def passphrase(file: Path | None, descriptor: int | None, flag: str) -> SecretSource | None:
    """Where a passphrase is that no manifest names. UsageError for both at once."""
    if file is not None and descriptor is not None:
        raise UsageError(f"{flag}-file and {flag}-fd are two passphrases", suggestion="Give one of them.")
    if file is not None:
        return SecretSource(file=str(file.absolute()))
    return None if descriptor is None else SecretSource(fd=descriptor)
