"""The lines that show one field's difference."""

from __future__ import annotations

from typing import Any

from reconciler.model.change import KNOWN_AFTER_APPLY, DiffEntry
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean
from reconciler.views.value_text import pretty_lines, short_pair_texts

_INLINE = 96  # characters of a container that still reads well on one line
_SHOWN = 40  # lines of one field's diff; the JSON document has them all
_CONTEXT = 6  # lines round a difference: enough to see the Sid of a policy statement, which sorts last
_COMPARED = 2000  # lines a side; past that, comparing costs more than the answer is worth


def diff_lines(entry: DiffEntry, ink: Ink) -> list[str]:
    """The entry as ``~ path: before → after``, ``+ path: value`` or ``- path: value``; a long value (a policy) as a
    unified diff of its canonical form below its path."""
    path = clean(entry.path)
    if not (_is_long(entry.before) or _is_long(entry.after)):
        return [_line(path, entry, ink)]
    if entry.before is None:
        return [f"{ink.green('+')} {path}:", *_whole(entry.after, "+", ink)]
    if entry.after is None:
        return [f"{ink.red('-')} {path}:", *_whole(entry.before, "-", ink)]
    return [f"{ink.yellow('~')} {path}:", *_unified(entry, ink)]


def _line(path: str, entry: DiffEntry, ink: Ink) -> str:
    before, after = short_pair_texts(entry.before, entry.after)
    if entry.before is None:
        return f"{ink.green('+')} {path}: {after}"
    if entry.after is None:
        return f"{ink.red('-')} {path}: {before}"
    return f"{ink.yellow('~')} {path}: {before} → {after}"


def _is_long(value: Any) -> bool:
    """Whether the value needs lines of its own: a large container, a document, a text of several lines."""
    if isinstance(value, str):
        return "\n" in value or (len(value) > _INLINE and value.lstrip()[:1] in ("{", "["))
    return isinstance(value, (dict, list, tuple)) and len(repr(value)) > _INLINE


def _whole(value: Any, sign: str, ink: Ink) -> list[str]:
    return _shown([f"{sign} {line}" for line in pretty_lines(value)], ink)


def _unified(entry: DiffEntry, ink: Ink) -> list[str]:
    before, after = pretty_lines(entry.before), pretty_lines(entry.after)
    if before == after:
        return [ink.dim("    written differently, the same in meaning")]
    if max(len(before), len(after)) > _COMPARED and entry.after != KNOWN_AFTER_APPLY:
        lengths = f"{count_text(len(before), 'line')} → {count_text(len(after), 'line')}"
        return [ink.dim(f"    {lengths}; --format json shows both")]
    import difflib  # here: an empty plan prints without it

    lines: list[str] = []
    for line in list(difflib.unified_diff(before, after, lineterm="", n=_CONTEXT))[2:]:
        if not line.startswith("@@"):
            lines.append(f"{line[0]} {line[1:]}")
        elif lines:
            lines.append("  …")
    return _shown(lines, ink)


def _shown(lines: list[str], ink: Ink) -> list[str]:
    """The lines, indented and coloured, the tail of a long list left out by name."""
    rest = len(lines) - _SHOWN
    if rest > 1:
        return [*_inked(lines[:_SHOWN], ink), ink.dim(f"      … {rest:,} more lines; --format json shows all")]
    return _inked(lines, ink)


def _inked(lines: list[str], ink: Ink) -> list[str]:
    paint = {"+": ink.green, "-": ink.red}
    return [f"    {paint.get(line[0], str)(line)}".rstrip() for line in lines]
