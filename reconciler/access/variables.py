"""Policy variables: ``${aws:username}`` stands for what the request carries under that condition key (KM2).

Known to documents of Version 2012-10-17 only, in resources and in conditions on strings and ARNs. ``${key, 'text'}``
has a text for requests without the key; ``${*}``, ``${?}`` and ``${$}`` are the characters themselves. What a variable
stands for is never a wildcard. A variable without a value fits nothing, so a negated operator on it holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.access.condition_keys import MULTI_VALUED, Reader, reader
from reconciler.access.request import AccessRequest
from reconciler.access.wildcard import ANY, ONE

_PART = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"\s*([\w:/.+=@-]+(?: [\w:/.+=@-]+)*)\s*(?:,\s*'([^']*)'\s*)?")
_WILDCARDS: Final = {"*": ANY, "?": ONE}


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. ``default`` is None when there is none."""

    key: str
    default: str | None
    read: Reader = field(compare=False, repr=False)

    def value(self, request: AccessRequest) -> str | None:
        """What it stands for; None when there is nothing, or more than one value."""
        found = self.read(request)
        return found[0] if len(found) == 1 else self.default


@dataclass(frozen=True, slots=True)
class Template:
    """A written value with variables in it."""

    parts: tuple[Sequence[str] | Variable, ...]

    def resolve(self, request: AccessRequest) -> list[str] | None:
        """The pattern, character by character, with ``ANY`` and ``ONE`` for wildcards; None when a variable has no
        value."""
        pattern: list[str] = []
        for part in self.parts:
            if isinstance(part, Variable):
                value = part.value(request)
                if value is None:
                    return None
                pattern.extend(value)
            else:
                pattern.extend(part)
        return pattern


def template(text: str) -> Template | None:
    """``text`` with its variables; None when there is nothing of the kind in it. ValueError for a variable that cannot
    be read."""
    if "${" not in text:
        return None
    parts: list[Sequence[str] | Variable] = []
    at = 0
    for found in _PART.finditer(text):
        parts += [_plain(text[at : found.start()]), _variable(found[1])]
        at = found.end()
    return Template((*parts, _plain(text[at:])))


def _plain(text: str) -> Sequence[str]:
    if "${" in text:
        raise ValueError(text)
    return [_WILDCARDS.get(character, character) for character in text]


def _variable(written: str) -> Sequence[str] | Variable:
    if written in ("*", "?", "$"):
        return [written]
    found = _VARIABLE.fullmatch(written)
    if found is None or found[1].lower() in MULTI_VALUED:
        raise ValueError("${" + written + "}")
    key = found[1].lower()
    return Variable(key, found[2], reader(key))
