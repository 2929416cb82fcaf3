from reconciler.commands.session import Session
from reconciler.model.address import Address
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.typed import caller, warehouse_provider


def meanwhile(session: Session) -> None:
    """What is left of a cluster that somebody had: a snapshot, kept for nine days."""
    warehouse, who = warehouse_provider(session, "dw"), caller(session, "dw")
    root = Root(kind=RootKind.KMS, key_arn=str(session.attributes(Address("Key/one"))["arn"]))
    request = ClusterRequest(name="old", node_type="ra3.large", nodes=1, database="dev", root=root)
    warehouse.create_cluster(who, request, token="by-hand")
    warehouse.create_snapshot(who, "old", "last", retention_days=9, token="last")
    warehouse.delete_cluster(who, "old")
