"""Why keys are rotated now: one rule for every kind that rotates (CONTRACT 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.model.change import DiffEntry
from reconciler.resources.kind import DiffInput, O, S


@dataclass(frozen=True, slots=True)
class Cause:
    """The reason as a person would give it, and what the plan shows of it."""

    reason: str
    shown: tuple[DiffEntry, ...] = ()


def cause(given: DiffInput[S, O], trigger: str | None, due: datetime | None, *, path: str) -> Cause | None:
    """What calls for a rotation, None when nothing does.

    A trigger is recorded at create or import without rotating; any later change rotates once; removing it never does.
    ``due`` is when the period is over, ``path`` is that of the trigger's field.
    """
    recorded = None if given.recorded is None else given.recorded.attributes.get("trigger")
    if trigger is not None and trigger != recorded:
        return Cause("its rotation trigger changed", (DiffEntry(path=path, before=recorded, after=trigger),))
    if due is not None and due <= given.now:
        return Cause(f"its rotation was due on {due:%Y-%m-%d}")
    return None
