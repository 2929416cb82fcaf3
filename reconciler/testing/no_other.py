"""Finds no other provider: for one that is built by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.providers.hsm import HsmProvider
    from reconciler.providers.keys import KeyProvider


class NoOther:
    """A ``Resolve`` that nothing may ask: LookupError. Derive from it what finds the one that is there."""

    def key_provider(self, name: str | None) -> KeyProvider:
        raise LookupError(f"there is no key provider {name}")

    def hsm_provider(self, name: str | None) -> HsmProvider:
        raise LookupError(f"there is no HSM {name}")

    def provider(self, name: str) -> object:
        raise LookupError(f"there is no provider {name}")
