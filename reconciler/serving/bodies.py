"""What a client wrote: its JSON body or its form, taken strictly, since it comes from anybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from reconciler.errors import SerializationException

DEEPEST: Final = 64


def json_object(body: bytes) -> Mapping[str, Any]:
    """The object that ``body`` writes; an empty one for no body. SerializationException for what is not UTF-8, not
    JSON, no object, nested beyond ``DEEPEST``, or has a member twice: two readers of that could see two requests."""
    if not body:
        return {}
    try:
        text = body.decode()
        found = _DECODER.decode(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except SerializationException:
        raise
    except (UnicodeError, ValueError, RecursionError):
        raise SerializationException("The request's body is not JSON") from None
    if not isinstance(found, dict):
        raise SerializationException("The request's body is not a JSON object")
    if text.count("{") + text.count("[") > DEEPEST and _depth(found) > DEEPEST:
        raise SerializationException(f"The request's body is nested more than {DEEPEST} levels deep")
    return found


def form(body: bytes) -> Mapping[str, str]:
    """The fields of a Query request; SerializationException for what is none."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=100)
    except ValueError:
        raise SerializationException("The request's body is not a form") from None
    if len(found := dict(pairs)) != len(pairs):
        raise SerializationException("The request's body has a field twice")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise SerializationException("The request's body has a member twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _depth(value: Any) -> int:
    level, deepest = [value], 0
    while level:
        deepest += 1
        level = [
            item
            for each in level
            if isinstance(each, dict | list)
            for item in (each.values() if isinstance(each, dict) else each)
        ]
    return deepest


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_number)
