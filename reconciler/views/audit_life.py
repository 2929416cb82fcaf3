"""The life of an object under a key, link by link (AU4)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.audit.evidence import ENDED, Link, Way
from reconciler.views.audit_table import who
from reconciler.views.safe_text import clean


def render_life(subject: str, lives: Sequence[tuple[Way, Sequence[Link]]]) -> str:
    """Each link with when and by whom, and what is wrong with it; under which key and context, where there were
    several."""
    lines = ["", f"The life of {subject}"]
    for way, links in lives:
        if len(lives) > 1:
            pairs = ", ".join(f"{name}={value}" for name, value in sorted(way.context.items()))
            lines.append(clean(f"  Under {way.key} ({pairs})"))
        lines += [_line(link) for link in links]
    return "\n".join(lines) + "\n"


def _line(link: Link) -> str:
    if link.event is not None:
        words = f"{link.event['eventTime']} by {who(link.event['userIdentity'])}"
        words += f"; {link.problem}" if link.problem else ""
    elif link.problem:
        words = f"missing: {link.problem}"
    else:
        words = "not yet: its grant stands" if link.name == ENDED else "not yet: nothing was wrapped"
    return clean(f"  {'!' if link.problem else ' '} {link.name:<16} {words}")
