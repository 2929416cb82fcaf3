"""Every customer-managed key that a key service has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.providers.keys import NamesKeys
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.key.observe import identity_of
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All keys but those that services own, also disabled and pending ones, ordered by id. ``others``: ARN and aliases.
    Two calls."""
    keys, who = key_provider(services, provider), caller(services, provider)
    names: dict[str, list[str]] = defaultdict(list)
    if isinstance(keys, NamesKeys):
        for alias in keys.list_aliases(who):
            names[alias.target_key_id] += [alias.name, alias.arn]
    return [
        Existing(
            name=key.key_id, attributes={"id": identity_of(key), "arn": key.arn}, others=(key.arn, *names[key.key_id])
        )
        for key in keys.list_keys(who)
    ]
