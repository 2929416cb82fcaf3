from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.typed import caller, warehouse_provider


def meanwhile(session: Session) -> None:
    root = Root(kind=RootKind.KMS, key_arn=str(session.attributes(Address("Key/one"))["arn"]))
    request = ClusterRequest(name="elsewhere", node_type="ra3.large", nodes=1, database="dev", root=root)
    warehouse_provider(session, "dw").create_cluster(caller(session, "dw"), request, token="by-hand")
