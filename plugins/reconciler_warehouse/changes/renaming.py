"""Another name for a cluster. Its name is in the encryption context of its CEK (RE5), so that is wrapped anew; data,
key tables and DEKs are bound to uids and stay as they are.

A grant for the new context is made before the old one goes; the CEKs of cluster and snapshots are re-wrapped by the key
service and proved to open, then the key ring switches all of them in one commit. The catalogue's new name is the last
commit: until then every description has the old one. Snapshots keep the name that their cluster had when they were
taken (SC1).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, InvalidClusterStateFault
from reconciler_warehouse import manifest, operations
from reconciler_warehouse.backups.snapshots import of_cluster, retake_with_all
from reconciler_warehouse.changes.rotation import current_cek
from reconciler_warehouse.keyring import Cek
from reconciler_warehouse.keys.hierarchy import opened, stage_rewrap, unstage
from reconciler_warehouse.keys.roots import Adopted, adopt, prove, root_at
from reconciler_warehouse.names import cluster_context
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import ClusterRow, cluster_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING, RENAMING

VERB: Final = operations.RENAME


def begin(site: Site, cluster: ClusterRow, new: str, token: str) -> Operation:
    """The rename's journal row. AlreadyExistsException for a name in use, InvalidClusterStateFault while copying is on
    (SC3)."""
    with site.catalogue.read() as catalogue:
        if catalogue is not None:
            _require_free(site, catalogue, cluster, new)
    known = operations.find(site, token)
    if known is not None and (known.finished or known.facts.get("name") != new):
        token = f"{token}/{cluster.manifest_version}"  # it was renamed to something else since
    return operations.begin(site, cluster, token, VERB, {"name": new}, status=RENAMING)


def run(site: Site, caller: Caller, cluster: ClusterRow, operation: Operation) -> None:
    """Carry the rename through, from wherever it was left."""
    new = str(operation.facts["name"])
    cek = current_cek(site, cluster.uid)
    if cek is not None and cek.operation != operation.token:
        root = _renamed_root(site, caller, cluster, cek, new)
        prove(site, root)
        while not _is_rewrapped(site, cluster, root, operation.token):
            site.checkpoint()
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks, site.catalogue.write() as catalogue:
        if not operations.is_open(catalogue, operation.token):
            return  # another process ended it
        _require_free(site, catalogue, cluster, new)
        with manifest.changing(catalogue, cluster.uid, deks):
            catalogue.execute("UPDATE cluster SET name = ?, status = ? WHERE uid = ?", (new, AVAILABLE, cluster.uid))
        operations.finish(catalogue, operation.token, at=site.now())


def _require_free(site: Site, catalogue: sqlite3.Connection, cluster: ClusterRow, new: str) -> None:
    other = cluster_where(catalogue, "name = ?", new)
    if other is not None and other.uid != cluster.uid:
        state = "is being made" if other.status == CREATING else "exists already"
        raise AlreadyExistsException(f"A cluster {new} {state} in {site.region}", suggestion="Choose another name.")
    if catalogue.execute("SELECT 1 FROM snapshot_copy WHERE cluster = ?", (cluster.uid,)).fetchone():
        raise InvalidClusterStateFault(
            f"Cluster {cluster.name} copies its snapshots to another Region, and cannot be renamed while it does (SC3)",
            suggestion="Declare the copying as a SnapshotCopy, so that a plan switches it off and on again; or switch "
            "it off first.",
        )


def _is_rewrapped(site: Site, cluster: ClusterRow, root: Adopted, operation: str) -> bool:
    """Every CEK that the old name is in, under the same root with the new one. False when a snapshot was taken
    meanwhile, whose CEK has it, too."""
    unstage(site, operation)
    before: dict[str, str | None] = {}
    pointers: dict[str, str] = {}
    for holder in (cluster.uid, *(one.uid for one in of_cluster(site, cluster.uid))):
        held = current_cek(site, holder)
        if held is None:
            continue  # a snapshot from before the cluster was encrypted has no keys
        if held.root_arn != root.key_arn:
            continue  # one from before the cluster was decrypted and encrypted anew: bound to its name of that time
        before[holder] = held.uid
        pointers[holder] = stage_rewrap(site, held, root, holder, operation, f"Cluster {cluster.name}").uid
    with site.keyring.write() as ring:
        return retake_with_all(site, cluster, ring, pointers, before)


def _renamed_root(site: Site, caller: Caller, cluster: ClusterRow, cek: Cek, new: str) -> Adopted:
    """The root that the cluster has, with a grant for the context that has its new name."""
    context = cluster_context(site.region, site.account, new, cluster.created_at)
    return adopt(
        site, caller, root_at(cek.root_kind, cek.root_arn), context, subset=context, grant_name=f"cluster/{cluster.uid}"
    )
