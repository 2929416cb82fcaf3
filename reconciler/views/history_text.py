"""The journal for people: a line for each step with how it ended, and for each run who it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from reconciler.state.store import Checked, Entry, What
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean

_OPEN: Final = "not finished: the next apply takes it up"


def render_history(entries: Sequence[Entry], *, colour: bool) -> str:
    """Oldest first. A step and its outcome are one line, where it began."""
    if not entries:
        return "The journal has no such entry.\n"
    ink = Ink(colour=colour)
    begun = {entry.seq for entry in entries if entry.what is What.BEGUN}
    ends = {entry.number: entry for entry in entries if entry.what in (What.DONE, What.ABANDONED)}
    lines = [_line(entry, ends, ink) for entry in entries if not (entry.number in begun and entry.seq != entry.number)]
    return "".join(f"{line}\n" for line in lines)


def render_checked(checked: Checked) -> str:
    """What ``--verify`` proved."""
    parts: Iterable[str] = (
        count_text(checked.rows, "resource"),
        count_text(checked.entries, "journal entry", "journal entries"),
        count_text(checked.plans, "used plan"),
    )
    return f"Proved to be what was written, with none missing: {', '.join(parts)}.\n"


def _line(entry: Entry, ends: dict[int, Entry], ink: Ink) -> str:
    when = f"{_time(entry.at)}  token {entry.token}"
    if entry.what is What.TAKEN:
        return ink.bold(f"{when}  the lock is taken by {clean(entry.text)}")
    subject = "the state" if entry.address is None else clean(entry.address)
    if entry.what is What.NOTED:
        return f"{when}  {subject}  {clean(entry.verb)}: {clean(entry.text)} (serial {entry.serial})"
    step = f"{subject}  {clean(entry.verb)}: {clean(entry.step)}"
    if entry.what is What.BEGUN:
        end = ends.get(entry.number)
        return f"{when}  {step}  {ink.yellow(_OPEN) if end is None else _ended(end, entry)}"
    return f"{when}  {step}  {_ended(entry, None)}; when it began is no longer kept"


def _ended(end: Entry, began: Entry | None) -> str:
    said = f"done (serial {end.serial})" if end.what is What.DONE else f"abandoned: {clean(end.text)}"
    if began is not None and end.token != began.token:
        said += f", by token {end.token} at {_time(end.at)}"
    return said


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
