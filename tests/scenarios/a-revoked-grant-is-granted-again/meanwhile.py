from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, issuing_grants


def meanwhile(session: Session) -> None:
    row = session.attributes(Address("Grant/app"))
    issuing_grants(session, "kms").revoke_grant(caller(session, "kms"), str(row["key_arn"]), str(row["id"]))
