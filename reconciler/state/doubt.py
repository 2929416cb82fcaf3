"""What is said of a state that is not what was written."""

from __future__ import annotations

from typing import Final

from reconciler.errors import JournalTruncated, NotAuthentic

RESEAL: Final = (
    "`reconciler state reseal` shows what does not fit, takes over only what the providers confirm, and seals that."
)
_WAYS_OUT: Final = f"It is left as it is. Put back a copy from a backup; or {RESEAL}"


def not_authentic(what: str, *, address: str | None = None) -> NotAuthentic:
    """``what`` completes "The state is not what was written:"."""
    return NotAuthentic(
        f"The state is not what was written: {what}",
        detail="Something other than reconciler wrote to it, or an older part of it was put back. Nothing is applied "
        "or planned from it.",
        suggestion=_WAYS_OUT,
        address=address,
    )


def truncated(ends_at: int, ended_at: int) -> JournalTruncated:
    """The journal has fewer entries than were written."""
    return JournalTruncated(
        f"The state's journal is truncated: it ends with entry {ends_at}, and {ended_at} were written",
        detail="What an interrupted apply began may have stood in the missing ones, so nothing is applied or planned.",
        suggestion=_WAYS_OUT,
    )
