"""The tree of errors: drawn as it is, and all of it in one place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from reconciler import errors

ROOT = Path(__file__).resolve().parent.parent


def classes(top: type[errors.ReconcilerError]) -> list[type[errors.ReconcilerError]]:
    """``top`` and what comes from it in ``reconciler.errors``."""
    found = [top]
    for one in found:
        found += [below for below in one.__subclasses__() if below.__module__.startswith(errors.__name__)]
    return found


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = re.findall(r"^    ([│ ├└─]*)(\w+(?:, \w+)*)", errors.__doc__ or "", re.MULTILINE)
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for indent, names in drawn:
        depth = len(indent) // 4
        for name in names.split(", "):
            parents[name] = above[depth - 1] if depth else None
        above[depth:] = [names]
    real = {
        one.__name__: None if one is errors.ReconcilerError else one.__bases__[0].__name__
        for one in classes(errors.ReconcilerError)
        if not issubclass(one, errors.ServiceError) or one is errors.ServiceError
    }
    answers = {name for name, parent in parents.items() if parent == "ServiceError"}
    assert answers <= vars(errors).keys()
    assert {name: parent for name, parent in parents.items() if name not in answers} == real


def test_each_error_has_a_stable_code_of_its_own() -> None:
    each = dict.fromkeys(classes(errors.ReconcilerError))  # one of two parents is met twice
    codes = [one.code for one in each if one is not errors.CollectedErrors]
    assert sorted(codes) == sorted(set(codes))


def test_the_core_has_no_errors_elsewhere() -> None:
    known = {one.__name__ for one in classes(errors.ReconcilerError)}
    elsewhere = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sorted((ROOT / "reconciler").rglob("*.py"))
        if path.parent.name != "errors"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and {getattr(base, "id", "") for base in node.bases} & known
    ]
    assert elsewhere == []
