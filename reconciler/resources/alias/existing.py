"""Every alias that a key service has."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.keys import NamesKeys
from reconciler.providers.typed import caller
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All aliases, ordered by name; one call. ``others``: the ARN, and the name without ``alias/``, which a manifest
    leaves out. A service without aliases has none."""
    names = services.provider(provider)
    if not isinstance(names, NamesKeys):
        return []
    return [
        Existing(
            name=alias.name,
            attributes={"id": alias.name, "arn": alias.arn},
            others=(alias.arn, alias.name.removeprefix("alias/")),
        )
        for alias in names.list_aliases(caller(services, provider))
    ]
