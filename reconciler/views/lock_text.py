"""The lock for people: who holds it, and what may be done about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from reconciler.state.liveness import Liveness
from reconciler.state.store import Holder
from reconciler.views.ink import Ink
from reconciler.views.safe_text import clean

_STANDING: Final = {
    Liveness.ALIVE: "alive; wait for it, or end the process",
    Liveness.DEAD: "dead; the next apply takes the lock over at once",
    Liveness.LEASED: "on another host; its lease runs, so it is taken to be alive",
    Liveness.EXPIRED: "on another host; its lease ran out, so the next apply takes the lock over",
}


def render_lock(found: Holder | None, standing: Liveness | None, *, colour: bool) -> str:
    """The holder, a field a line; one line when there is none."""
    if found is None or standing is None:
        return "The lock is free.\n"
    ink = Ink(colour=colour)
    fields = {
        "held by": f"{clean(found.who)} on {clean(found.host)}",
        "process": str(found.pid),
        "command": clean(found.command),
        "since": time_text(found.since),
        "lease until": time_text(found.expires),
        "token": str(found.token),
        "holder": _STANDING[standing],
    }
    width = max(len(name) for name in fields) + 1
    lines = [ink.bold("The state's lock")]
    lines += [f"  {f'{name}:':<{width}} {value}" for name, value in fields.items()]
    return "\n".join(lines) + "\n"


def time_text(epoch: float) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
