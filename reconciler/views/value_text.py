"""A JSON value as a person reads it on one line, or on several."""

from __future__ import annotations

import json
from typing import Any

from reconciler.model.change import KNOWN_AFTER_APPLY
from reconciler.views.safe_text import clean, clean_lines

_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
_WINDOW = 72
_LEAD = 16
_DEEPEST = 40  # spaces of indentation past which a document no longer opens up


def value_text(value: Any) -> str:
    """The value on one line: strings quoted, ``(none)`` for None, ``(known after apply)`` bare."""
    if value is None:
        return "(none)"
    if value == KNOWN_AFTER_APPLY:
        return KNOWN_AFTER_APPLY
    return clean(_flat(value))


def short_pair_texts(before: Any, after: Any) -> tuple[str, str]:
    """Both values on a line, long ones cut to where they begin to differ: a shortened diff still shows the
    difference."""
    texts = [value if isinstance(value, str) else value_text(value) for value in (before, after)]
    if max(map(len, texts)) <= _WINDOW:
        return value_text(before), value_text(after)
    shared = _shared_length(*texts)
    start = shared - _LEAD if _LEAD < shared < max(map(len, texts)) else 0
    cut_before, cut_after = (
        value_text(_window(text, start)) if isinstance(value, str) else _window(text, start)
        for value, text in zip((before, after), texts, strict=True)
    )
    return cut_before, cut_after


def _shared_length(one: str, other: str) -> int:
    shorter = min(len(one), len(other))
    return next((index for index in range(shorter) if one[index] != other[index]), shorter)


def _window(text: str, start: int) -> str:
    if len(text) <= _WINDOW:
        return text
    return ("…" if start else "") + text[start : start + _WINDOW] + ("…" if start + _WINDOW < len(text) else "")


def pretty_lines(value: Any) -> list[str]:
    """The value on as many lines as it needs: JSON documents, also those written as a string, in canonical form
    (sorted, indented), so that spelling makes no difference; other strings by their own lines."""
    document = _document(value) if isinstance(value, str) else value
    if isinstance(document, (dict, list, tuple)):
        return [clean(line) for line in _layout(document)]
    if isinstance(value, str) and "\n" in value:
        return clean_lines(value)
    return [value_text(value)]


def _layout(value: Any, indent: str = "", name: str = "", comma: str = "") -> list[str]:
    """JSON as a person would set it: what fits on a line stays on one, the rest opens up."""
    flat = f"{indent}{name}{_flat(value)}{comma}"
    if len(flat) <= _WINDOW or not value or not isinstance(value, (dict, list, tuple)) or len(indent) > _DEEPEST:
        return [flat]
    if isinstance(value, dict):
        opening, closing = "{", "}"
        parts = [(f"{_ENCODE(key)}: ", value[key]) for key in sorted(value)]
    else:
        opening, closing = "[", "]"
        parts = [("", part) for part in value]
    lines = [f"{indent}{name}{opening}"]
    for part_name, part in parts[:-1]:
        lines += _layout(part, indent + "  ", part_name, ",")
    lines += _layout(parts[-1][1], indent + "  ", parts[-1][0])
    return [*lines, f"{indent}{closing}{comma}"]


def _flat(value: Any) -> str:
    text = _ENCODE(value)
    return text.replace(f'"{KNOWN_AFTER_APPLY}"', KNOWN_AFTER_APPLY)


def _document(text: str) -> Any:
    """The JSON document in ``text``, or the text itself where there is none, or none that a person could read."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        document = json.loads(text)
        json.dumps(document)
    except (ValueError, RecursionError):
        return text
    return document
