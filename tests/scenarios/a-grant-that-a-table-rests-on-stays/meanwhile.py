from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.typed import caller, issuing_grants


def meanwhile(session: Session) -> None:
    """The table's own grant ends: what it may do rests on the declared one alone."""
    arn = str(session.attributes(Address("Key/main"))["arn"])
    grants, who = issuing_grants(session, "kms"), caller(session, "kms")
    for grant in grants.list_grants(who, arn):
        if grant.retiring_principal == "cassandra.eu-west-1.amazonaws.com":
            grants.revoke_grant(who, arn, grant.grant_id)
