from datetime import timedelta

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.testing.fakes import ManualClock
from tests.outside_material import import_by_hand


def meanwhile(session: Session) -> None:
    """The material came by hand, for ten days; then twenty days went by."""
    expires_at = session.clock.now() + timedelta(days=10)
    import_by_hand(session, Address("Key/orders"), session.project / "keys" / "orders.key", expires_at=expires_at)
    assert isinstance(session.clock, ManualClock)
    session.clock.advance(days=20)
