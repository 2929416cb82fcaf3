"""A policy as JSON text: read so that nothing of what is written is passed over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn


def read_policy_text(text: str, *, number: Callable[[str], Any] | None = None) -> Any:
    """The value that the text holds; ``number`` reads its numbers. ValueError says what is wrong: no JSON
    (JSONDecodeError), a name twice in one object, NaN or Infinity. RecursionError for what is nested too deep."""
    return json.loads(
        text, object_pairs_hook=_each_once, parse_int=number, parse_float=number, parse_constant=_no_constant
    )


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f'"{next(name for name in names if names.count(name) > 1)}" stands twice in one object')
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no value of a policy")
