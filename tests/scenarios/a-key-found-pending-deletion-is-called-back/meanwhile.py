from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, key_provider


def meanwhile(session: Session) -> None:
    key = str(session.attributes(Address("Key/orders"))["id"])
    key_provider(session, "kms").schedule_key_deletion(caller(session, "kms"), key, waiting_days=7)
