"""A day goes by in which nobody applies but for once: the snapshot of then is over when the plan is made."""

from __future__ import annotations

from reconciler.commands.session import Session
from reconciler.commands.upkeep import do_due_work
from reconciler.testing.fakes import ManualClock


def meanwhile(session: Session) -> None:
    """Wait, do what is due, and wait."""
    assert isinstance(session.clock, ManualClock)
    session.clock.advance(hours=1)
    do_due_work(session)
    session.clock.advance(hours=23)
