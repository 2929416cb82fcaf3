"""The cluster that a command names, as the state has it."""

from __future__ import annotations

from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean
from reconciler.model.recorded import Recorded
from reconciler.resources.cluster.older_copy import require_newest


def recorded_cluster(session: Session, name: str) -> Recorded:
    """The row of ``name`` or ``Cluster/name``. UsageError when there is none that exists; StoreRolledBack when what is
    there is an older copy of what the state has seen (I16)."""
    wanted = address(name if "/" in name else f"Cluster/{name}")
    if wanted.kind != "Cluster":
        raise UsageError(f"{wanted} is no Cluster", suggestion="Give -c the name of a Cluster manifest.")
    row = session.reader.get(wanted)
    if row is None or row.identity is None:
        raise UsageError(
            f"{wanted} is not in the state",
            suggestion=did_you_mean(wanted, session.reader.heads()) or "Run `reconciler apply` first.",
        )
    require_newest(row, session)
    return row
