"""What every key still opens, asked of all data providers (I3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors import ReconcilerError
from reconciler.providers.data import CountsKeyUses, KeyUse


@dataclass(frozen=True, slots=True)
class Census:
    """All uses of all keys, and the providers that could not be asked: each of those counts as a use of every key."""

    uses: tuple[KeyUse, ...]
    unreachable: tuple[str, ...]

    def of(self, key_arn: str) -> list[KeyUse]:
        """What that key opens."""
        return [use for use in self.uses if use.key_arn == key_arn]


def take_census(providers: Mapping[str, object]) -> Census:
    """Ask each provider that counts; ``providers`` by manifest name. One whose own store fails is unreachable."""
    uses: list[KeyUse] = []
    unreachable: list[str] = []
    for name, provider in sorted(providers.items()):
        if isinstance(provider, CountsKeyUses):
            try:
                uses.extend(provider.key_uses())
            except ReconcilerError:
                unreachable.append(name)
    return Census(uses=tuple(uses), unreachable=tuple(unreachable))
