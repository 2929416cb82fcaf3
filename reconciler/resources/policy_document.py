"""A policy document in a manifest: written in place, or in a JSON file of the project (KM2)."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

from pydantic import ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from reconciler.access.parsing import policy_problems
from reconciler.access.policy_text import read_policy_text
from reconciler.resources.field_types import Tree, canonical_tree, refuse
from reconciler.resources.spec import ProjectFiles, Spec

_LARGEST = 32 * 1024
_BESIDE = ("..", "documentFile")


class DocumentSpec(Spec):
    """``document`` is the policy, strings as written. ``documentFile`` in a manifest names a JSON file of the project;
    what it holds becomes ``document``, so where a policy is written never makes a difference. ``of_identity``: its
    statements name no principal, for it is whoever holds the policy."""

    of_identity: ClassVar[bool] = False

    document: Tree

    @model_validator(mode="before")
    @classmethod
    def _one_document(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        if "documentFile" not in data:
            if "document" not in data:
                return {**data, "document": refuse("is missing: write document, or documentFile", code="exactly-one")}
            if info.context is None:
                return data
            return {**data, "document": _checked(data["document"], identity=cls.of_identity)}
        rest = {name: data[name] for name in data if name != "documentFile"}
        if "document" in data:
            both = refuse("stands beside document: write one of the two", field=_BESIDE, code="exactly-one")
            return {**rest, "document": both}
        return {**rest, "document": _read(data["documentFile"], info.context, identity=cls.of_identity)}

    @model_validator(mode="after")
    def _is_a_policy(self) -> Self:
        statements = self.document.get("Statement")
        if not isinstance(statements, list | dict) or not statements:
            raise refuse("must hold a Statement with at least one policy statement", field="document")
        size = len(json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode())
        if size > _LARGEST:
            raise refuse(f"must be at most {_LARGEST} bytes as JSON, not {size}", field="document")
        return self


def _checked(document: object, *, identity: bool) -> object:
    """The document, or what no key service would take of it: told before anything is applied."""
    try:
        tree = canonical_tree(document)
    except PydanticCustomError:
        return document  # told where it stands
    problems = policy_problems(tree, identity=identity) if isinstance(tree, dict) and tree.get("Statement") else []
    return refuse(f"is no policy: {'; '.join(problems)}", code="malformed-policy") if problems else document


def _read(path: object, files: ProjectFiles | None, *, identity: bool) -> object:
    """What the file holds, or what is wrong with it: told at its own field, beside whatever else is wrong."""
    if not isinstance(path, str) or files is None:
        return refuse("must be a path within the project", field=_BESIDE)
    try:
        found = read_policy_text(files.text(path), number=str)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        if isinstance(error, json.JSONDecodeError):
            reason = f"it is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        return refuse(f"names {path}, which cannot be used: {reason}", field=_BESIDE)
    if not isinstance(found, dict):
        return refuse(f"names {path}, which cannot be used: it holds no JSON object", field=_BESIDE)
    problems = policy_problems(found, identity=identity) if found.get("Statement") else []
    try:
        tree = canonical_tree(found)
    except PydanticCustomError as error:
        within = error.context or {}
        place = ".".join(map(str, within.get("field", ())))
        return refuse(f"names {path}, in which {place} {within.get('message')}", field=_BESIDE)
    if problems:
        return refuse(
            f"names {path}, which is no policy: {'; '.join(problems)}", field=_BESIDE, code="malformed-policy"
        )
    return tree
