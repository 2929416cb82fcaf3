"""What a document with problems of its own names all the same: what dangles there is told in the same run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, get_args

from pydantic import BaseModel

from reconciler.loading.heads import Head
from reconciler.loading.inspection import Path
from reconciler.model.address import Address
from reconciler.resources import registry
from reconciler.resources.reference import RefersTo

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?").fullmatch
_ADDRESS = re.compile(r"[A-Z][A-Za-z]*/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?").fullmatch


def sketch(address: Address, line: int, spec: object, flawed: Collection[Path]) -> Head:
    """The head of a flawed document, as far as it can be told: what it is, and what it names where that is not
    ``flawed`` itself. It claims nothing, since what it would claim may be the flaw."""
    placed = _named(registry.spec_class(address.kind), spec, ("spec",))
    named = {path: target for path, target in placed if path not in flawed}
    provider = next((target.name for path, target in named.items() if path == ("spec", "provider")), None)
    others = {path: target for path, target in named.items() if path != ("spec", "provider")}
    return Head(
        address=address,
        digest="",
        provider=provider,
        external_name=address.name,
        line=line,
        labels={},
        references=tuple(dict.fromkeys(target for target in others.values() if target.kind != registry.PROVIDER)),
        providers=tuple(target.name for target in others.values() if target.kind == registry.PROVIDER),
        claims=(),
        json=None,
        spec=None,
        placed={target: path for path, target in reversed(named.items())},
    )


def _named(model: type[BaseModel], tree: object, path: Path) -> Iterator[tuple[Path, Address]]:
    if not isinstance(tree, dict):
        return
    for name, info in model.model_fields.items():
        alias = info.alias or name
        value = tree.get(alias)
        if value is None:
            continue
        if (path, alias) == (("spec",), "provider") and model is not registry.spec_class(registry.PROVIDER):
            yield from _target(registry.PROVIDER, value, (*path, alias))
        elif (path, alias) == (("spec",), "dependsOn") and isinstance(value, list):
            for index, entry in enumerate(value):
                if isinstance(entry, str) and _ADDRESS(entry):
                    yield (*path, alias, index), Address(entry)
        for part in (*info.metadata, *_parts(info.annotation)):
            if isinstance(part, RefersTo):
                yield from _target(part.kind, value, (*path, alias))
            elif isinstance(part, type) and issubclass(part, BaseModel):
                within = list(enumerate(value)) if isinstance(value, list) else []
                yield from _named(part, value, (*path, alias))
                for index, entry in within:
                    yield from _named(part, entry, (*path, alias, index))


def _target(kind: str, value: object, path: Path) -> Iterator[tuple[Path, Address]]:
    if isinstance(value, str) and _NAME(value):
        yield path, Address.of(kind, value)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)
