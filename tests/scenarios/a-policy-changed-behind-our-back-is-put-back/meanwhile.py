from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, holding_policies


def meanwhile(session: Session) -> None:
    key = str(session.attributes(Address("Key/orders"))["id"])
    policies = holding_policies(session, "kms")
    policies.put_key_policy(caller(session, "kms"), key, policies.default_key_policy())
