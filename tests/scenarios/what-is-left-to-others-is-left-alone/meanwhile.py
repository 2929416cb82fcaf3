"""Somebody else changes both tags; one of them may be changed."""

from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider


def meanwhile(session: Session) -> None:
    key_id = str(session.attributes(Address("Key/one"))["id"])
    key_provider(session, "kms").tag_resource(caller(session, "kms"), key_id, {"team": "red", "cost": "two"})
