"""A plugin's own ``spec.config``, typed by the model that the plugin brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.errors import Diagnostic, InvalidManifests
from reconciler.model.nearest import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

_SORTS = {
    "string": "must be a text",
    "int": "must be a whole number",
    "bool": "must be true or false",
    "list": "must be a list",
    "tuple": "must be a list",
    "set": "must be a list",
    "dict": "must be a mapping",
    "model": "must be a mapping",
}


def validated_config(model: type[BaseModel], config: Mapping[str, Any], *, address: str) -> BaseModel:
    """``config`` as ``model``; InvalidManifests with one diagnostic a problem, at ``spec.config.FIELD``. A refused
    value is not repeated: it may be a secret that stands in the wrong place (I19)."""
    from pydantic import ValidationError  # costs 70 ms, and a plan without providers needs none

    try:
        return model.model_validate(dict(config))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    raise InvalidManifests([_diagnostic(problem, model, address) for problem in problems])


def _diagnostic(problem: ErrorDetails, model: type[BaseModel], address: str) -> Diagnostic:
    where = [str(part) for part in problem["loc"]]
    path = ".".join(["spec", "config", *where])
    fields = sorted(field.alias or name for name, field in model.model_fields.items())
    suggestion = None
    if problem["type"] == "extra_forbidden":
        near = nearest(where[-1], fields) if len(where) == 1 else None
        summary = f"{address} has no setting {path.removeprefix('spec.')}"
        known = f"Known: {', '.join(fields)}." if fields else "This plugin takes no config."
        suggestion = f"Did you mean {near}? {known}" if near else known
    elif problem["type"] == "missing":
        summary = f"{address} needs {path}"
        suggestion = f"Add {where[-1]} under spec.config."
    else:
        summary = f"{address}: {path} {_words(problem)}"
    return Diagnostic(code="invalid-config", summary=summary, address=address, path=path, suggestion=suggestion)


def _words(problem: ErrorDetails) -> str:
    """What is wrong, as the end of a sentence that begins with the field."""
    for sort, words in _SORTS.items():
        if problem["type"].startswith(f"{sort}_"):
            return words
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"is refused: {message}"
