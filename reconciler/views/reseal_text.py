"""What sealing a state anew would do, for the person who has to say yes."""

from __future__ import annotations

from reconciler.state.resealing import Resealing
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean


def render_reseal(found: Resealing, *, colour: bool) -> str:
    """What does not fit, and what would become of each row."""
    ink = Ink(colour=colour)
    lines = [ink.bold("What does not fit:"), *(f"  {clean(doubt)}" for doubt in found.doubts)]
    lines.append(ink.bold("What would be sealed:"))
    lines.append(f"  {count_text(len(found.sound), 'resource')} as recorded")
    for row in found.believed:
        told = f"only that it is {clean(row.identity or '')}, which Provider/{clean(row.provider)} shows"
        lines.append(f"  {clean(row.address)}: {told}")
    forgotten = [f"{clean(address)}, which no provider shows as it is recorded" for address in found.dropped]
    if not found.keeps_journal:
        forgotten.append("the journal, with whatever was begun and not finished")
    lines += [f"  {ink.yellow('forgotten')}: {what}" for what in forgotten]
    return "\n".join(lines) + "\n"
