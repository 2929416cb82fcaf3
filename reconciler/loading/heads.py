"""What loading knows of a document beside its spec: all that other documents, and a plan from the cache, ask of it.

Imports neither yaml nor pydantic, since a plan from the cache passes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.errors import Diagnostic
from reconciler.loading.beneath import SideFile
from reconciler.loading.files import Source
from reconciler.model.address import Address

if TYPE_CHECKING:
    from reconciler.loading.inspection import Path
    from reconciler.resources.spec import Spec


@dataclass(slots=True)
class Head:
    """One valid document. See ``Resource`` for the fields that have the same names there.

    ``providers`` are further Providers that the spec names. ``claims`` are texts of which only one resource of all may
    hold each: its name at the provider, the target that it alone may have, the address that it was renamed from.
    ``json`` is the spec's canonical JSON; it and ``spec`` are None in a head from the cache. ``placed`` is where a
    flawed document (``sketch``) names what it names; None in all others.
    """

    address: Address
    digest: str
    provider: str | None
    external_name: str
    line: int
    labels: dict[str, str]
    references: tuple[Address, ...]
    providers: tuple[str, ...]
    claims: tuple[str, ...]
    json: str | None = field(repr=False)
    spec: Spec | None = field(repr=False)
    placed: Mapping[str, Path] | None = None


@dataclass(slots=True)
class Reading:
    """What a source declares. ``flawed`` are sketches of documents that have problems: known, so nothing that refers
    to them dangles. ``is_complete`` is False when the source could not be read to its end."""

    source: Source
    heads: list[Head] = field(default_factory=list)
    side_files: tuple[SideFile, ...] = ()
    problems: list[Diagnostic] = field(default_factory=list)
    flawed: list[Head] = field(default_factory=list)
    is_complete: bool = True
