"""A running provider as the protocol that a kind needs, or one clear refusal."""

from __future__ import annotations

from typing import TypeVar, cast

from reconciler.access.caller import Caller
from reconciler.errors import MissingCapability
from reconciler.model.ports import Services
from reconciler.providers.data import TableProvider, WarehouseProvider
from reconciler.providers.keys import KeyProvider

C = TypeVar("C")


def key_provider(services: Services, name: str) -> KeyProvider:
    """The key provider of that manifest name (loading has checked that it is one)."""
    return cast(KeyProvider, services.provider(name))


def warehouse_provider(services: Services, name: str) -> WarehouseProvider:
    """The warehouse of that manifest name."""
    return cast(WarehouseProvider, services.provider(name))


def table_provider(services: Services, name: str) -> TableProvider:
    """The table service of that manifest name."""
    return cast(TableProvider, services.provider(name))


def capable(services: Services, name: str, capability: type[C], does: str) -> C:
    """The provider as ``capability``. MissingCapability: provider "x" does not ``does`` (STYLE habit 5)."""
    provider = services.provider(name)
    if not isinstance(provider, capability):
        raise MissingCapability(
            f'Provider "{name}" does not {does}',
            suggestion="Choose a provider that does, or remove what asks for it from the manifest.",
        )
    return provider


def caller(services: Services, name: str) -> Caller:
    """Who calls through that provider."""
    provider = cast(KeyProvider, services.provider(name))
    return Caller(principal=services.principal(name), account=provider.account)
