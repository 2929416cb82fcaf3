"""The state for people: a list of what it holds, one resource, or all of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from reconciler.model.recorded import Recorded, Standing
from reconciler.state.store import Head
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean
from reconciler.views.value_text import pretty_lines, value_text

_FLAGS = {
    Standing.RETAINED: "retained: it was to go and stays, protected or needed by what stays; `state rm` forgets it",
    Standing.LEAVING: "leaving: it waits out its deletion window",
}
_UNFINISHED = "unfinished: the next apply takes it up"
_INLINE = 96


def render_state_list(heads: Iterable[Head], *, colour: bool) -> str:
    """An address a line, ordered; behind two spaces what is special about it."""
    ink = Ink(colour=colour)
    lines = [_list_line(head, ink) for head in sorted(heads, key=lambda head: head.address)]
    return "".join(f"{line}\n" for line in lines)


def render_resource(row: Recorded, *, colour: bool) -> str:
    """One resource: who it is, what the provider calls it, and what was last applied."""
    ink = Ink(colour=colour)
    lines = [ink.bold(clean(row.address))]
    flags = _flags(str(row.standing), settled=row.settled)
    lines += [f"  {ink.yellow(flag)}" for flag in flags]
    lines += [f"  provider: {clean(row.provider)}", f"  uid: {clean(row.uid)}", f"  serial: {row.serial}"]
    lines.append(f"  protected: {'yes' if row.protected else 'no'}")
    if row.references:
        lines.append(f"  refers to: {', '.join(clean(address) for address in row.references)}")
    if row.attributes:
        lines.append("  attributes:")
        for name, value in sorted(row.attributes.items()):
            lines += _field_lines(name, value, "    ")
    if row.spec is not None:
        lines += ["  spec:", *(f"    {line}" for line in pretty_lines(json.loads(row.spec)))]
    return "\n".join(lines) + "\n"


def render_state(rows: Sequence[Recorded], *, lineage: str, serial: int, colour: bool) -> str:
    """The whole state."""
    if not rows:
        return f"The state is empty (serial {serial}).\n"
    parts = [render_resource(row, colour=colour) for row in rows]
    parts.append(f"{count_text(len(rows), 'resource')}, serial {serial}, lineage {clean(lineage)}.\n")
    return "\n".join(parts)


def _list_line(head: Head, ink: Ink) -> str:
    flags = _flags(head.standing, settled=head.settled)
    return clean(head.address) + (f"  {ink.yellow('; '.join(flags))}" if flags else "")


def _flags(standing: str, *, settled: bool) -> list[str]:
    flags = [words for name, words in _FLAGS.items() if name == standing]
    return flags if settled or standing == Standing.LEAVING else [*flags, _UNFINISHED]


def _field_lines(name: str, value: object, indent: str) -> list[str]:
    text = value_text(value)
    if len(text) <= _INLINE:
        return [f"{indent}{clean(name)}: {text}"]
    return [f"{indent}{clean(name)}:", *(f"{indent}  {line}" for line in pretty_lines(value))]
