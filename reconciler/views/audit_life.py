"""The life of an object under a key, link by link (AU4)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.audit.evidence import Link
from reconciler.views.audit_table import who
from reconciler.views.safe_text import clean


def render_life(subject: str, links: Sequence[Link]) -> str:
    """Each link with when and by whom, and what is wrong with it."""
    lines = ["", f"The life of {subject}"]
    for link in links:
        if link.event is None:
            words = f"missing: {link.problem}" if link.problem else "not yet: its grant stands"
        else:
            words = f"{link.event['eventTime']} by {who(link.event['userIdentity'])}"
            words += f"; {link.problem}" if link.problem else ""
        lines.append(clean(f"  {'!' if link.problem else ' '} {link.name:<16} {words}"))
    return "\n".join(lines) + "\n"
