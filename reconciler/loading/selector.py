"""``-l SELECTOR``: which resources a command looks at, in kubectl's notation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors import UsageError

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?"
_TERMS = re.compile(r",(?![^(]*\))")  # a comma within parentheses separates values
_PRESENCE = re.compile(rf"(!)?\s*({_WORD})").fullmatch
_EQUALITY = re.compile(rf"({_WORD})\s*(==|=|!=)\s*({_WORD})?").fullmatch
_SET = re.compile(rf"({_WORD})\s+(in|notin)\s*\(\s*({_WORD}(?:\s*,\s*{_WORD})*)\s*\)").fullmatch


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term. ``values`` None: the key only has to be there (or, when ``is_negative``, to be absent)."""

    key: str
    values: frozenset[str] | None
    is_negative: bool

    def fits(self, labels: Mapping[str, str]) -> bool:
        """As kubectl: a resource without the key fits ``!=`` and ``notin``."""
        holds = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return holds is not self.is_negative


@dataclass(frozen=True, slots=True)
class Selector:
    """Terms that all must fit; none fits everything."""

    requirements: tuple[Requirement, ...]

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a resource with these labels is meant."""
        return all(requirement.fits(labels) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """``team=data,env!=test,tier in (a, b),zone notin (c),owner,!old``.

    UsageError says which term is not understood."""
    return Selector(tuple(_requirement(term.strip(), text) for term in _TERMS.split(text)))


def _requirement(term: str, text: str) -> Requirement:
    if match := _PRESENCE(term):
        return Requirement(match[2], None, match[1] is not None)
    if match := _EQUALITY(term):
        return Requirement(match[1], frozenset({match[3] or ""}), match[2] == "!=")
    if match := _SET(term):
        values = (value.strip() for value in match[3].split(","))
        return Requirement(match[1], frozenset(values), match[2] == "notin")
    raise UsageError(
        f'The selector "{text}" is not understood at "{term}"',
        suggestion="Write terms like team=data,env!=test,tier in (a,b),!old, separated by commas.",
    )
