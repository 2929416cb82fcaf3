"""What every key still opens, asked of all data providers (I3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from reconciler.errors import ReconcilerError
from reconciler.providers.data import CountsKeyUses, KeyUse


@dataclass(frozen=True)
class Census:
    """All uses of all keys, and the providers that could not be asked: each of those counts as a use of every key."""

    uses: tuple[KeyUse, ...]
    unreachable: tuple[str, ...]

    def of(self, key_arn: str) -> Sequence[KeyUse]:
        """What that key opens."""
        return self._by_key.get(key_arn, ())

    @cached_property
    def _by_key(self) -> Mapping[str, list[KeyUse]]:
        # A plan that removes everything asks for every key: looking through all uses each time would be their product.
        found: dict[str, list[KeyUse]] = {}
        for use in self.uses:
            found.setdefault(use.key_arn, []).append(use)
        return found


def take_census(providers: Mapping[str, object]) -> Census:
    """Ask each data provider, by manifest name. One that does not count, or whose own store fails, is unreachable."""
    uses: list[KeyUse] = []
    unreachable: list[str] = []
    for name, provider in sorted(providers.items()):
        try:
            if isinstance(provider, CountsKeyUses):
                uses.extend(provider.key_uses())
            else:
                unreachable.append(name)
        except ReconcilerError:
            unreachable.append(name)
    return Census(uses=tuple(uses), unreachable=tuple(unreachable))
