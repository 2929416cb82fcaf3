"""The cluster that a command names, as the state has it."""

from __future__ import annotations

from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean
from reconciler.model.recorded import Recorded
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.providers.warehouse import SharesData
from reconciler.resources.cluster.older_copy import doubts, target_of
from reconciler.resources.reference import name_of


def recorded_cluster(session: Session, name: str) -> Recorded:
    """The row of ``name`` or ``Cluster/name``. UsageError when there is none that exists; StoreRolledBack when what is
    there, or what shares its tables with it, is an older copy of what the state has seen (I16)."""
    wanted = address(name if "/" in name else f"Cluster/{name}")
    if wanted.kind != "Cluster":
        raise UsageError(f"{wanted} is no Cluster", suggestion="Give -c the name of a Cluster manifest.")
    row = session.reader.get(wanted)
    if row is None or row.identity is None:
        raise UsageError(
            f"{wanted} is not in the state",
            suggestion=did_you_mean(wanted, session.reader.heads()) or "Run `reconciler apply` first.",
        )
    for error in doubts([target_of(one) for one in (row, *_producers(session, row))], session).values():
        raise error
    return row


def _producers(session: Session, row: Recorded) -> list[Recorded]:
    """The recorded clusters whose tables are shared with this one: a statement may read them as well."""
    warehouse = warehouse_provider(session, row.provider)
    if not isinstance(warehouse, SharesData):
        return []
    name, shares = name_of(row.attributes), warehouse.describe_data_shares(caller(session, row.provider))
    producers = {share.producer for share in shares if share.consumer == name}
    if not producers:
        return []
    recorded = (one for one in session.reader.all() if one.address.kind == "Cluster" and one.provider == row.provider)
    return [one for one in recorded if one.identity is not None and name_of(one.attributes) in producers]
