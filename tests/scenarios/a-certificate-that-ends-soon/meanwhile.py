from reconciler.commands.session import Session
from reconciler.testing.fakes import ManualClock


def meanwhile(session: Session) -> None:
    assert isinstance(session.clock, ManualClock)
    session.clock.advance(days=61)
