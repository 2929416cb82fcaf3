"""When two policy documents mean the same: spelling never makes a diff (CONTRACT 6).

Compared as sets of statements. Order, Sid, Id, one string or a list of one, the case of action and condition key
names, ``"*"`` or ``{"AWS": "*"}``, an account's number or its root ARN: none of these changes the meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ROOT = re.compile(r"arn:aws:iam::(\d{12}):root")
Canonical = frozenset[Any]


def policies_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both allow and deny the same."""
    return canonical_policy(one) == canonical_policy(other)


def canonical_policy(document: Mapping[str, Any]) -> tuple[str, Canonical]:
    """The document's meaning: its language version (an absent one is 2008-10-17) and its set of statements."""
    statements = document.get("Statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    return str(document.get("Version", "2008-10-17")), frozenset(_statement(statement) for statement in statements)


def _statement(statement: Mapping[str, Any]) -> Canonical:
    parts: list[tuple[str, Any]] = [("Effect", statement.get("Effect"))]
    meanings = {"Principal": _principals, "Action": _actions, "Resource": _resources}
    parts += [
        (prefix + name, meaning(statement[prefix + name]))
        for name, meaning in meanings.items()
        for prefix in ("", "Not")
        if prefix + name in statement
    ]
    conditions = statement.get("Condition") or {}
    parts.append(("Condition", frozenset(_condition(operator, keys) for operator, keys in conditions.items())))
    return frozenset(parts)


def _principals(principal: Any) -> Canonical:
    if isinstance(principal, str):
        principal = {"AWS": principal}
    return frozenset(
        (kind, _ROOT.sub(r"\1", str(name))) for kind, names in principal.items() for name in _listed(names)
    )


def _actions(actions: Any) -> Canonical:
    return frozenset(str(action).lower() for action in _listed(actions))


def _resources(resources: Any) -> Canonical:
    return frozenset(str(resource) for resource in _listed(resources))


def _condition(operator: str, keys: Mapping[str, Any]) -> tuple[str, Canonical]:
    return operator, frozenset(
        (key.lower(), frozenset(_text(value) for value in _listed(values))) for key, values in keys.items()
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
