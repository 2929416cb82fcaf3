"""A resource's spec when somebody asks for it and it was not read in this run: from the cache, else from its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import InvalidManifests
from reconciler.model.address import Address
from reconciler.resources import registry

if TYPE_CHECKING:
    from reconciler.loading.cache import ManifestCache
    from reconciler.loading.files import Source
    from reconciler.resources.spec import Spec


class Specs:
    """Makes specs for the resources of one load."""

    def __init__(self, project: Path, cache: ManifestCache | None) -> None:
        self._project = project
        self._cache = cache

    def build(self, address: Address, digest: str, source: Source, index: int) -> Spec:
        """The spec of the document that is the ``index``-th of its source. InvalidManifests when a file that it names
        changed since it was loaded."""
        from reconciler.resources.spec import spec_digest

        kept = None if self._cache is None else self._cache.specs(self._project, source)
        if kept is not None and index < len(kept) and spec_digest(kept[index]) == digest:
            return registry.spec_class(address.kind).model_validate_json(kept[index])
        return self._read_again(address, digest, source, index)

    def _read_again(self, address: Address, digest: str, source: Source, index: int) -> Spec:
        from reconciler.loading.reading import changed_meanwhile, read_source

        reading = read_source(source, self._project)
        if reading.problems:
            raise InvalidManifests(reading.problems)
        head = reading.heads[index]
        if head.digest != digest or head.spec is None:
            raise InvalidManifests([changed_meanwhile(address, source)])
        return head.spec
