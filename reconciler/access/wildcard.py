"""Patterns of the policy language: ``*`` stands for any text, ``?`` for one character, all else for itself.

Matching takes time in proportion to pattern × text at worst, never more (I21): a policy is written by others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

ANY: Final = "any text"  # wildcards of a pattern that is given character by character; no character equals them
ONE: Final = "one character"
Matcher = Callable[[str], bool]


def matcher(pattern: str) -> Matcher:
    """What answers whether a text matches ``pattern``, whole, case and all; the common forms are one call into C."""
    if "?" in pattern:
        return lambda text: _match_slowly(pattern, text)
    if "*" not in pattern:
        return pattern.__eq__
    first, *middle, last = pattern.split("*")
    if not any(middle):
        return lambda text: (
            len(text) >= len(first) + len(last) and text.startswith(first) and (not last or text.endswith(last))
        )
    return lambda text: _match_parts(first, middle, last, text)


def matches_characters(pattern: Sequence[str], text: str) -> bool:
    """As ``matcher``, for a pattern of single characters, ``ANY`` and ``ONE``: a character that looks like a wildcard
    stands for itself."""
    return _match_slowly(pattern, text, ANY, ONE)


def _match_parts(first: str, middle: list[str], last: str, text: str) -> bool:
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or end < len(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _match_slowly(pattern: Sequence[str], text: str, anything: str = "*", one: str = "?") -> bool:
    at = start = 0
    star = -1
    for_star = 0
    while start < len(text):
        if at < len(pattern) and pattern[at] == anything:
            star, for_star = at, start
            at += 1
        elif at < len(pattern) and (pattern[at] == one or pattern[at] == text[start]):
            at += 1
            start += 1
        elif star >= 0:
            at = star + 1
            for_star += 1
            start = for_star
        else:
            return False
    return all(rest == anything for rest in pattern[at:])
