"""Another root for an encrypted cluster, in place (RE2): keys are re-wrapped, data and key tables stay as they are.

The cluster gets a new CEK under the new root; the CEKs of its snapshots are re-wrapped by the key service. All of it is
proved to open under the new root before one commit of the key ring switches cluster and snapshots together.
"""

from __future__ import annotations

from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import DamagedStore
from reconciler.providers.data import Progress, Root, RootKind
from reconciler_warehouse import operations
from reconciler_warehouse.clusters import adopt_for, check_root
from reconciler_warehouse.hierarchy import open_cek, opened, stage_cek, stage_known_dek, stage_rewrap, unstage
from reconciler_warehouse.keyring import retake
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.roots import Adopted, prove
from reconciler_warehouse.rotation import current_cek
from reconciler_warehouse.rows import ClusterRow
from reconciler_warehouse.site import Site
from reconciler_warehouse.snapshots import of_cluster
from reconciler_warehouse.status import AVAILABLE, MODIFYING

VERB: Final = operations.SWITCH


def begin(site: Site, caller: Caller, cluster: ClusterRow, root: Root, token: str) -> Operation:
    """The switch's journal row. A root that cannot be used is refused before it."""
    check_root(site, caller, root)
    facts = {"kind": str(root.kind), "key": root.key_arn or ""}
    return operations.begin(site, cluster, token, VERB, facts, status=MODIFYING)


def root_of(operation: Operation) -> Root:
    """The root that the operation was begun with."""
    return Root(kind=RootKind(operation.facts["kind"]), key_arn=operation.facts["key"] or None)


def run(site: Site, caller: Caller, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """Carry the switch through, from wherever it was left."""
    cek = current_cek(site, cluster.uid)
    if cek is None or cek.operation != operation.token:
        _rewrap(site, caller, cluster, operation, progress)
    with site.catalogue.write() as catalogue:
        if operations.is_open(catalogue, operation.token):
            # Not a rotation: the DEK is the one it was, so the clock of `rotation.every` goes on.
            catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (AVAILABLE, cluster.uid))
            operations.finish(catalogue, operation.token)


def _rewrap(site: Site, caller: Caller, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    unstage(site, operation.token)
    root = adopt_for(site, caller, cluster, root_of(operation))
    prove(site, root)
    before: dict[str, str | None] = {}
    before[cluster.uid], made = _new_cek(site, cluster, root, operation.token)
    pointers = {cluster.uid: made}
    snapshots = of_cluster(site, cluster.uid)
    for number, snapshot in enumerate(snapshots):
        progress("snapshots' keys re-wrapped under the new root", number, len(snapshots))
        cek = current_cek(site, snapshot.uid)
        if cek is not None:
            before[snapshot.uid] = cek.uid
            pointers[snapshot.uid] = stage_rewrap(site, cek, root, snapshot.uid, operation.token).uid
    with site.keyring.write() as ring:
        retake(ring, pointers, before)


def _new_cek(site: Site, cluster: ClusterRow, root: Adopted, operation: str) -> tuple[str, str]:
    """Uids of the cluster's CEK as it is and of the new one, staged."""
    old = current_cek(site, cluster.uid)
    if old is None:
        raise DamagedStore(f"The key ring at {site.keyring.path} lacks the cluster key of {cluster.name}")
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        staged = stage_cek(site, root, old.origin, operation)
        with open_cek(site, staged, "The new cluster key", root) as key:
            for uid, known in deks.items():
                stage_known_dek(site, staged, key, cluster.uid, uid, known=known)
    return old.uid, staged.uid
