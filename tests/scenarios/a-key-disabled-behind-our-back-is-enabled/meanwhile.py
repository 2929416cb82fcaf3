from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider


def meanwhile(session: Session) -> None:
    key = str(session.attributes(Address("Key/orders"))["id"])
    key_provider(session, "kms").disable_key(caller(session, "kms"), key)
