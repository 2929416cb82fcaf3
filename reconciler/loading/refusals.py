"""pydantic's refusals in the words of a manifest's author."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.loading.inspection import Path
from reconciler.model.nearest import did_you_mean
from reconciler.resources.field_types import MEANINGS


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with a document. ``message`` continues the field's path; ``at_key`` points at the field's name
    instead of its value."""

    path: Path
    code: str
    message: str
    suggestion: str | None = None
    at_key: bool = False


def flaws_of(error: ValidationError, model: type[BaseModel], kind: str) -> Iterator[Flaw]:
    """Each refusal of a spec."""
    details = error.errors(include_url=False)
    for detail in details:
        place = detail["loc"]
        is_shortened = detail["type"] == "too_short" and any(
            len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
        )
        if not is_shortened:  # pydantic counts only the entries that it accepted
            yield _flaw(detail, model, kind)


def _flaw(detail: ErrorDetails, model: type[BaseModel], kind: str) -> Flaw:
    path: Path = ("spec", *detail["loc"])
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            fields = _fields(model, detail["loc"][:-1])
            return Flaw(
                path,
                "unknown-field",
                f"is no field of {with_article(kind)}",
                did_you_mean(str(path[-1]), fields) or f"Its fields are {', '.join(fields)}.",
                at_key=True,
            )
        case "missing":
            return Flaw(path[:-1], "missing-field", f"needs {path[-1]}", at_key=True)
        case "string_pattern_mismatch":
            meaning = MEANINGS.get(str(context.get("pattern")), "written otherwise")
            return Flaw(path, "invalid-value", f"must be {meaning}")
        case "literal_error":
            choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
            near = did_you_mean(detail["input"], choices) if isinstance(detail["input"], str) else None
            return Flaw(path, "invalid-value", f"must be {_any_of(choices)}", near)
    if "message" in context:  # one of ours: resources.field_types.refuse
        field = context["field"]
        return Flaw(
            (*path[:-1], *field[1:]) if field[:1] == ("..",) else (*path, *field),
            "invalid-value" if detail["type"] == "reference" else detail["type"],
            str(context["message"]),
            str(context["suggestion"]) or None,
            at_key=detail["type"] == "not-supported",
        )
    return Flaw(path, "invalid-value", _words(detail["type"], context) or f"is refused: {detail['msg']}")


_TYPES = {
    "string_type": "must be a text",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def _words(code: str, context: dict[str, Any]) -> str | None:
    if code in _TYPES:
        return _TYPES[code].format(**context)
    if code in ("string_too_short", "string_too_long", "too_short"):
        what = "entry" if code == "too_short" else "character"
        if "min_length" in context:
            return f"must have at least {_count(context['min_length'], what)}"
        return f"must have at most {_count(context['max_length'], what)}"
    return None


def with_article(kind: str) -> str:
    """``a Key``, ``an Alias``, ``an HsmPartition``."""
    return f"{'an' if kind[0] in 'AEIOU' or kind.startswith('Hsm') else 'a'} {kind}"


def _count(number: int, what: str) -> str:
    plural = "entries" if what == "entry" else f"{what}s"
    return f"{number} {what if number == 1 else plural}"


def _any_of(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """The fields, as manifests write them, of the model at ``path`` below ``model``."""
    for step in path:
        if isinstance(step, int):
            continue
        info = next((info for name, info in model.model_fields.items() if (info.alias or name) == step), None)
        inner = None if info is None else _model_in(info.annotation)
        if inner is None:
            return []
        model = inner
    return [info.alias or name for name, info in model.model_fields.items() if not info.exclude]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        if (found := _model_in(part)) is not None:
            return found
    return None
