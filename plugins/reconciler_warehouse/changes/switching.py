"""Another root for an encrypted cluster, in place (RE2): keys are re-wrapped, data and key tables stay as they are.

The cluster gets a new CEK under the new root; the CEKs of its snapshots are re-wrapped by the key service. Where an HSM
is on either side no CEK can be re-wrapped: the snapshots' DEKs then go under the cluster's new CEK too, in memory. All
of it is proved to open under the new root before one commit of the key ring switches cluster and snapshots together.

A snapshot goes with its cluster while both are under one root. Left behind by a switch (``snapshotsFollow: false``) it
stays under its own, which it needs from then on; no later switch takes it along, unless the cluster came back to that.

To a partition that says ``verify: connection-only`` the keys were replicated by the vendor's tools: the key ring then
names it as theirs, and nothing is tried but the connection (HS6).
"""

from __future__ import annotations

from typing import Final

from reconciler.access.caller import Caller
from reconciler.providers.data import Progress, Root, RootKind
from reconciler.providers.hsm import Verification
from reconciler_warehouse import operations
from reconciler_warehouse.backups.snapshots import of_cluster, retake_with_all
from reconciler_warehouse.changes.clusters import adopt_for, check_root
from reconciler_warehouse.changes.rotation import current_cek
from reconciler_warehouse.keyring import Cek, lacks_cek, retake
from reconciler_warehouse.keys.hierarchy import (
    open_cek,
    opened,
    stage_adopted,
    stage_cek,
    stage_deks,
    stage_rewrap,
    stage_shared,
    unstage,
)
from reconciler_warehouse.keys.roots import Adopted, named, prove, root_at, usable_partition
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import ClusterRow, SnapshotRow
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, MODIFYING

VERB: Final = operations.SWITCH
ALONE: Final = "alone"  # a fact of a switch that leaves the snapshots behind


def begin(  # whose, to what
    site: Site, caller: Caller, cluster: ClusterRow, root: Root, token: str, *, alone: bool = False
) -> Operation:
    """The switch's journal row. A root that cannot be used is refused before it. ``alone``: snapshots stay."""
    facts = {"kind": str(root.kind), "key": named(root) or ""}
    if alone:
        facts[ALONE] = "true"
    if _is_adopted(site, caller, cluster, root):
        facts[operations.ADOPTED] = Verification.CONNECTION_ONLY
        return operations.begin(site, cluster, token, VERB, facts, status=MODIFYING, is_vouched_for=False)
    return operations.begin(site, cluster, token, VERB, facts, status=MODIFYING)


def root_of(operation: Operation) -> Root:
    """The root that the operation was begun with."""
    return root_at(RootKind(operation.facts["kind"]), operation.facts["key"] or None)


def run(site: Site, caller: Caller, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """Carry the switch through, from wherever it was left."""
    cek = current_cek(site, cluster.uid)
    if cek is None or cek.operation != operation.token:
        unstage(site, operation.token)
        root = adopt_for(site, caller, cluster, root_of(operation))
        prove(site, root)
        while not _is_rewrapped(site, cluster, root, operation, progress):
            unstage(site, operation.token)
            site.checkpoint()
    with site.catalogue.write() as catalogue:
        if operations.is_open(catalogue, operation.token):
            # Not a rotation: the DEK is the one it was, so the clock of `rotation.every` goes on.
            catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (AVAILABLE, cluster.uid))
            operations.finish(catalogue, operation.token, at=site.now())


def _is_adopted(site: Site, caller: Caller, cluster: ClusterRow, root: Root) -> bool:
    """Whether the keys are to be found in the partition already. The root is checked."""
    if root.kind is not RootKind.HSM:
        check_root(site, caller, root)
        return False
    partition = usable_partition(site, caller, root)
    cek = current_cek(site, cluster.uid)
    return (
        partition.verify is Verification.CONNECTION_ONLY
        and cek is not None
        and cek.root_kind is RootKind.HSM
        and cek.root_arn != root.partition
    )


def _is_rewrapped(site: Site, cluster: ClusterRow, root: Adopted, operation: Operation, progress: Progress) -> bool:
    """False when a snapshot was taken meanwhile that is to come along."""
    snapshots = [] if ALONE in operation.facts else following(site, cluster)
    before: dict[str, str | None] = {}
    pointers: dict[str, str] = {}
    made: Cek | None = None
    for number, holder in enumerate([cluster.uid, *(one.uid for one in snapshots)]):
        if number:
            progress("snapshots' keys re-wrapped under the new root", number - 1, len(snapshots))
        old = current_cek(site, holder)
        if old is None and holder == cluster.uid:
            raise lacks_cek(site.keyring, cluster.name)
        if old is None:
            continue  # a snapshot from before the cluster was encrypted has no keys
        if operations.ADOPTED in operation.facts and old.root_kind is RootKind.HSM:
            new = stage_adopted(site, old, root, holder, operation.token)
        elif holder != cluster.uid and RootKind.HSM not in (old.root_kind, root.kind):
            new = stage_rewrap(site, old, root, holder, operation.token, f"Cluster {cluster.name}")
        else:
            made = made or stage_cek(site, root, old.origin, operation.token)
            _rewrap_deks(site, cluster, root, holder, old, made)
            new = made
        before[holder], pointers[holder] = old.uid, new.uid
    with site.keyring.write() as ring:
        if ALONE not in operation.facts:
            return retake_with_all(site, cluster, ring, pointers, before)
        retake(ring, pointers, before)
    return True


def following(site: Site, cluster: ClusterRow) -> list[SnapshotRow]:
    """The cluster's snapshots that are under its own root: those that were not left behind."""
    mine = current_cek(site, cluster.uid)
    found = [(one, current_cek(site, one.uid)) for one in of_cluster(site, cluster.uid)]
    return [one for one, cek in found if mine is not None and cek is not None and cek.root_arn == mine.root_arn]


def _rewrap_deks(  # noqa: PLR0917  # whose, from where to where
    site: Site, cluster: ClusterRow, root: Adopted, holder: str, old: Cek, new: Cek
) -> None:
    """The holder's DEKs, opened under the old CEK, under the new one, and proved there."""
    if holder != cluster.uid:
        stage_shared(site, old, new, holder, root=root, what=f"A snapshot of cluster {cluster.name}")
        return
    with (
        opened(site, holder, f"Cluster {cluster.name}") as deks,
        open_cek(site, new, "The new cluster key", root) as key,
    ):
        stage_deks(site, new, key, holder, deks, primary=cluster.dek or "")
