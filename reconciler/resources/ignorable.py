"""Which paths of a spec ``lifecycle.ignoreChanges`` may name: fields that a provider reports, told from the spec's
types."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from reconciler.model.nearest import did_you_mean

_OURS: Final = ("provider", "lifecycle", "dependsOn", "externalName", "importId", "renamedFrom")
_PREFIX: Final = "spec."


def spelled(path: str) -> str:
    """The path below the spec: ``spec.tags``, as a plan shows it, is ``tags``."""
    return path.removeprefix(_PREFIX)


def misnamed(spec: type[BaseModel], unobserved: tuple[str, ...], path: str) -> tuple[str, str | None] | None:
    """What is wrong with naming that path, as the end of a sentence, and a suggestion; None when nothing is."""
    wanted = spelled(path)
    if wanted.partition(".")[0] in _OURS:
        return f'names "{path}", which is nothing that a provider has', None
    if any(wanted == one or wanted.startswith(f"{one}.") for one in unobserved):
        return f'names "{path}", which no provider reports: nothing of it can change behind our back', None
    return _misnamed(spec, path, wanted.split("."), "")


def _misnamed(model: type[BaseModel], path: str, segments: list[str], above: str) -> tuple[str, str | None] | None:
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    if not above:
        fields = {name: info for name, info in fields.items() if name not in _OURS}
    head, rest = segments[0], segments[1:]
    if head not in fields:
        near = did_you_mean(head, fields)
        where = f"{above} has" if above else "the spec has"
        known = f"Its fields are {', '.join(fields)}."
        return f'names "{path}": {where} no field {head}', near.replace("mean ", f"mean {above}.", 1) if (
            near and above
        ) else near or known
    if not rest:
        return None
    here = f"{above}.{head}" if above else head
    parts = list(_parts(fields[head].annotation))
    models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    if dict in parts:
        return None  # a mapping: whatever follows is a key of it
    if models and tuple in parts:  # a list: the next segment is the name of an element
        return None if len(rest) == 1 else _misnamed(models[0], path, rest[1:], f"{here}.{rest[0]}")
    if models:
        return _misnamed(models[0], path, rest, here)
    return f'names "{path}": {here} has no parts', f"Write {here} to ignore all of it."


def _parts(annotation: Any) -> Iterator[Any]:
    origin = typing.get_origin(annotation)
    yield annotation if origin is None else origin
    for part in typing.get_args(annotation):
        yield from _parts(part)
