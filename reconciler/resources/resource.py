"""A declared resource: one manifest document that passed its kind's spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.model.address import Address

if TYPE_CHECKING:
    from reconciler.resources.spec import Spec


@dataclass(slots=True, kw_only=True)
class Resource:
    """What planning needs of a manifest, without validating it again: ``spec`` is made only when something asks for it.

    ``digest`` is SHA-256 (hex) of the spec's canonical JSON, so spelling does not change it. ``references`` are the
    declared resources that the spec names (Provider excluded), in field order, then ``dependsOn``; each once.
    ``provider`` is the name of the Provider manifest (None for kind Provider). ``external_name`` is the object's name
    at the provider: ``externalName`` or metadata.name (an Alias's stands after ``alias/`` there). ``file`` is as the
    user would name it, ``line`` counts from 1.
    """

    address: Address
    digest: str
    provider: str | None
    references: tuple[Address, ...]
    external_name: str
    file: str
    line: int
    labels: Mapping[str, str] = field(default_factory=dict)
    build_spec: Callable[[], Spec]
    _spec: Spec | None = None

    @property
    def spec(self) -> Spec:
        """The validated spec."""
        if self._spec is None:
            self._spec = self.build_spec()
        return self._spec
