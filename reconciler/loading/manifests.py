"""What loading hands on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from reconciler.errors import Diagnostic
from reconciler.model.address import Address
from reconciler.resources.resource import Resource

if TYPE_CHECKING:
    from reconciler.loading.selector import Selector
    from reconciler.resources.provider.spec import ProviderSpec


class Manifests:
    """All declared resources, checked against each other.

    ``resources`` are in the order of files and documents, Providers among them (their ``provider`` is None).
    ``digest`` is SHA-256 (hex) over addresses and spec digests: moving, reordering or spelling differently does not
    change it. ``warnings`` are remarks that stop nothing.
    """

    __slots__ = ("_by_address", "digest", "providers", "resources", "warnings")

    def __init__(
        self, resources: list[Resource], warnings: Iterable[Diagnostic] = (), digest: str | None = None
    ) -> None:
        self.resources = resources
        self.warnings = tuple(warnings)
        self.digest = digest if digest is not None else manifests_digest(resources)
        self.providers: Mapping[str, ProviderSpec] = _Providers(resources)
        self._by_address: dict[Address, Resource] | None = None

    @property
    def by_address(self) -> Mapping[Address, Resource]:
        """Every resource by its address."""
        if self._by_address is None:
            self._by_address = {resource.address: resource for resource in self.resources}
        return self._by_address

    def selected(self, selector: Selector) -> frozenset[Address]:
        """The resources whose labels fit. What is left out stays declared: a selection narrows a command, it never
        makes a resource look removed."""
        return frozenset(resource.address for resource in self.resources if selector.fits(resource.labels))


def manifests_digest(resources: Iterable[Resource]) -> str:
    """See ``Manifests``."""
    lines = sorted(f"{resource.address} {resource.digest}\n" for resource in resources)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class _Providers(Mapping[str, "ProviderSpec"]):
    """The Provider manifests by name. A spec is made when it is asked for: a plan that asks no provider needs none."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = {resource.address.name: resource for resource in resources if resource.provider is None}

    def __getitem__(self, name: str) -> ProviderSpec:
        return cast("ProviderSpec", self._resources[name].spec)

    def __iter__(self) -> Iterator[str]:
        return iter(self._resources)

    def __len__(self) -> int:
        return len(self._resources)
