"""``Services`` whose attributes come from elsewhere than the state: a running apply, or a plan that is rehearsed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from reconciler.model.address import Address
from reconciler.model.ports import Clock, Random, Services
from reconciler.providers.retired_keys import NOBODY_ASKED, KnowsRetiredKeys, RetiredKeys

Attributes = Callable[[Address], Mapping[str, Any]]


class LiveServices:
    """``Services`` for all but the attributes: those are what ``attributes`` answers."""

    def __init__(self, services: Services, attributes: Attributes) -> None:
        self._services = services
        self._attributes = attributes

    @property
    def clock(self) -> Clock:
        """See ``Services.clock``."""
        return self._services.clock

    @property
    def random(self) -> Random:
        """See ``Services.random``."""
        return self._services.random

    @property
    def project(self) -> Path:
        """See ``Services.project``."""
        return self._services.project

    def provider(self, name: str) -> object:
        """See ``Services.provider``."""
        return self._services.provider(name)

    def principal(self, name: str) -> str:
        """See ``Services.principal``."""
        return self._services.principal(name)

    def attributes(self, address: Address) -> Mapping[str, Any]:
        """See ``Services.attributes``."""
        return self._attributes(address)

    def retired_keys(self, partition: str, key_ids: Collection[str] = ()) -> RetiredKeys:
        """See ``KnowsRetiredKeys.retired_keys``."""
        known = self._services
        return known.retired_keys(partition, key_ids) if isinstance(known, KnowsRetiredKeys) else NOBODY_ASKED
