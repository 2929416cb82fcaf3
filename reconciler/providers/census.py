"""What a key, or every key, still opens, asked of all data providers (I3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from reconciler.errors import ReconcilerError
from reconciler.providers.data import ANY_KEY, CountsKeyUses, KeyUse


@dataclass(frozen=True)
class Census:
    """Uses of keys, and the providers that could not be asked: each of those counts as a use of every key.

    ``by`` names the provider of each use, in the order of ``uses``."""

    uses: tuple[KeyUse, ...]
    unreachable: tuple[str, ...]
    by: tuple[str, ...] = ()

    def of(self, key_arn: str) -> Sequence[KeyUse]:
        """What that key opens, and what nobody knows the key of."""
        return [*self._by_key.get(key_arn, ()), *self._by_key.get(ANY_KEY, ())]

    @cached_property
    def _by_key(self) -> Mapping[str, list[KeyUse]]:
        # A plan that removes everything asks for every key: looking through all uses each time would be their product.
        found: dict[str, list[KeyUse]] = {}
        for use in self.uses:
            found.setdefault(use.key_arn, []).append(use)
        return found


class TakesCensus(Protocol):
    """Asks every declared data provider."""

    def __call__(self, key_arn: str | None = None) -> Census:
        """Of all keys, or of one at the cost of one."""


def take_census(providers: Mapping[str, object], key_arn: str | None = None) -> Census:
    """Ask each data provider, by manifest name. One that does not count, or whose own store fails, is unreachable."""
    uses: list[KeyUse] = []
    by: list[str] = []
    unreachable: list[str] = []
    for name, provider in sorted(providers.items()):
        try:
            if isinstance(provider, CountsKeyUses):
                found = provider.key_uses(key_arn)
                uses.extend(found)
                by.extend([name] * len(found))
            else:
                unreachable.append(name)
        except ReconcilerError:
            unreachable.append(name)
    return Census(uses=tuple(uses), unreachable=tuple(unreachable), by=tuple(by))
