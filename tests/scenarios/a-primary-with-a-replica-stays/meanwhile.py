from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.key_material import ReplicaRequest
from reconciler.providers.typed import caller, replicating_keys


def meanwhile(session: Session) -> None:
    key = str(session.attributes(Address("Key/orders"))["id"])
    request = ReplicaRequest(region="us-east-1")
    replicating_keys(session, "kms").replicate_key(caller(session, "kms"), key, request)
