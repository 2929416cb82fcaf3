"""What loading must know of each kind's spec, found once from its field types: what it refers to and what it claims."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from reconciler.loading.inspection import Path
from reconciler.model.address import Address
from reconciler.resources import registry
from reconciler.resources.reference import Reference, RefersTo
from reconciler.resources.spec import Spec

Branch = tuple[str, str, "tuple[Branch, ...]"]
"""An attribute that holds a reference (no branches) or a model, or list of models, with such attributes; its name in
Python and in manifests."""


class Shape:
    """A kind's spec as the loader uses it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.spec = registry.spec_class(kind)
        self.spec.model_rebuild()
        self.validate = self.spec.__pydantic_validator__.validate_python
        self.to_json = self.spec.__pydantic_serializer__.to_json
        self.is_provider = kind == registry.PROVIDER
        self.fits_name = re.compile(self.spec.name_pattern).fullmatch
        self._branches = _branches(self.spec)
        # Most references are plain fields, or in a part of the spec that is there once: those need no walk.
        self._plain = tuple(name for name, _, below in self._branches if not below)
        self._deeper = tuple(branch for branch in self._branches if branch[2])
        self._names_providers = _holds_providers(self.spec)

    def references(self, spec: Spec) -> tuple[tuple[Address, ...], tuple[str, ...]]:
        """The declared resources that the spec names, each once, and the names of Providers beside its own."""
        found = [value for name in self._plain if (value := getattr(spec, name)) is not None]
        for name, _, below in self._deeper:
            part = getattr(spec, name)
            if part is not None:
                found.extend(reference for _, reference in _walk(part, below, ()))
        providers: tuple[str, ...] = ()
        if self._names_providers:
            providers = tuple(value.name for value in found if value.kind == registry.PROVIDER)
            found = [value for value in found if value.kind != registry.PROVIDER]
        targets = [Address(f"{value.kind}/{value.name}") for value in found if value.name is not None]
        if spec.depends_on:
            targets.extend(map(Address, spec.depends_on))
        return tuple(dict.fromkeys(targets) if len(targets) > 1 else targets), providers

    def placed_references(self, spec: Spec) -> Iterator[tuple[Path, Reference]]:
        """The same with the path of each within the document."""
        return _walk(spec, self._branches, ("spec",))

    def claims(self, spec: Spec, name: str) -> tuple[str, ...]:
        """What the spec claims for its resource, which is called ``name`` at the provider; see ``Head``."""
        if self.is_provider:
            return ()
        parent = "" if self.spec.parent is None else getattr(spec, self.spec.parent)
        named = f"{self.kind}|{spec.provider}|{parent}|{name}"
        if self.spec.one_per is None and spec.renamed_from is None:
            return (named,)
        claims = [named]
        if self.spec.one_per is not None:
            claims.append(f"{self.kind}|{self.spec.one_per}|{getattr(spec, self.spec.one_per)}")
        if spec.renamed_from is not None:
            claims.append(Address.of(self.kind, spec.renamed_from))
        return tuple(claims)


@cache
def shape(kind: str) -> Shape:
    """The shape of a kind. KeyError when there is no such kind."""
    return Shape(kind)


def _walk(value: Any, branches: tuple[Branch, ...], path: Path) -> Iterator[tuple[Path, Reference]]:
    for name, alias, below in branches:
        inner = getattr(value, name)
        if inner is None:
            continue
        if not below:
            yield (*path, alias), inner
        elif isinstance(inner, tuple):
            for index, entry in enumerate(inner):
                yield from _walk(entry, below, (*path, alias, index))
        else:
            yield from _walk(inner, below, (*path, alias))


def _branches(model: type[BaseModel]) -> tuple[Branch, ...]:
    found: list[Branch] = []
    for name, info in model.model_fields.items():
        refers, models = False, list[type[BaseModel]]()
        for part in (*info.metadata, *_parts(info.annotation)):
            if isinstance(part, RefersTo):
                refers = True
            elif isinstance(part, type) and issubclass(part, BaseModel):
                models.append(part)
        alias = info.alias or name
        if refers:
            found.append((name, alias, ()))
        elif models and (below := _branches(models[0])):
            found.append((name, alias, below))
    return tuple(found)


def _holds_providers(model: type[BaseModel]) -> bool:
    parts = (part for info in model.model_fields.values() for part in (*info.metadata, *_parts(info.annotation)))
    return any(isinstance(part, RefersTo) and part.kind == registry.PROVIDER for part in parts)


def _parts(annotation: Any) -> Iterator[Any]:
    """The annotation and everything inside it: members of a union, of a list, what Annotated adds."""
    yield annotation
    for part in typing.get_args(annotation):
        yield from _parts(part)
