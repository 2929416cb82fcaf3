"""The root key is disabled by somebody else, and the warehouse has found that out."""

from __future__ import annotations

from reconciler.commands.session import Session
from reconciler.commands.upkeep import do_due_work
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider


def meanwhile(session: Session) -> None:
    """Disable it, and look."""
    key = str(session.attributes(Address("Key/one"))["id"])
    key_provider(session, "kms").disable_key(caller(session, "kms"), key)
    do_due_work(session)
