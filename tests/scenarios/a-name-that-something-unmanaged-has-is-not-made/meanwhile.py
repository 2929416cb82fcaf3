from reconciler.commands.session import Session
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.typed import caller, warehouse_provider


def meanwhile(session: Session) -> None:
    owned = Root(kind=RootKind.OWNED)
    request = ClusterRequest(name="people", node_type="ra3.large", nodes=1, database="dev", root=owned)
    warehouse_provider(session, "dw").create_cluster(caller(session, "dw"), request, token="by-hand")
