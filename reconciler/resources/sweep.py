"""Observing many resources with few calls: refresh grows with keys + clusters + tables, not with their product
(DESIGN 4)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from reconciler.resources.kind import Target

N = TypeVar("N")
_FEW = 20  # up to here a provider is asked by name; past that, listing everything is one call and cheaper


def only_few(names: Collection[N]) -> Collection[N] | None:
    """The names to ask a provider for; None, which asks for all, when there are many."""
    return names if len(names) <= _FEW else None


def by_provider(targets: Sequence[Target]) -> Iterator[tuple[str, list[Target]]]:
    """The targets that exist at their provider, grouped by it. A target without identity was never made: it is left
    out, and so counts as not there."""
    existing = [target for target in targets if target.attributes.get("id") is not None]
    for provider, group in groupby(
        sorted(existing, key=lambda target: target.provider), lambda target: target.provider
    ):
        yield provider, list(group)
