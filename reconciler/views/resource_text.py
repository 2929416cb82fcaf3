"""One resource as its provider describes it now, for people: facts, then what happened to it."""

from __future__ import annotations

from reconciler.model.address import Address
from reconciler.model.shown import Shown
from reconciler.views.ink import Ink
from reconciler.views.safe_text import clean

_LOUD = "ERROR"


def render_resource(address: Address, shown: Shown, *, colour: bool) -> str:
    """A line for each fact, then the events, newest first."""
    ink = Ink(colour=colour)
    width = max(len(label) for label, _ in shown.lines)
    lines = [ink.bold(str(address))]
    lines += [f"  {clean(label):<{width}}  {clean(text)}" for label, text in shown.lines]
    if shown.events:
        lines += ["", "events, newest first:"]
        for event in shown.events:
            words = clean(f"{event.category}: {event.message}")
            lines.append(f"  {event.at:%Y-%m-%d %H:%M:%S} UTC  {ink.red(words) if event.severity == _LOUD else words}")
    return "\n".join(lines) + "\n"
