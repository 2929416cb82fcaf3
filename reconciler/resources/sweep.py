"""Observing many resources with few calls: refresh grows with keys + clusters + tables, not with their product
(DESIGN 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from reconciler.resources.kind import Target


def by_provider(targets: Sequence[Target]) -> Iterator[tuple[str, list[Target]]]:
    """The targets that exist at their provider, grouped by it. A target without identity was never made: it is left
    out, and so counts as not there."""
    existing = [target for target in targets if target.attributes.get("id") is not None]
    for provider, group in groupby(
        sorted(existing, key=lambda target: target.provider), lambda target: target.provider
    ):
        yield provider, list(group)
