"""All data of a cluster under new keys of every tier (``reencrypt: true``): for a key that is compromised, where new
wraps of the same block keys would not do.

New CEK and new DEK under the same root; one commit, from which on new rows are sealed under them; then every block is
written again under a new key, online as an encryption is (``workers``). Snapshots stay as they are, under the keys that
they were taken with.
"""

from __future__ import annotations

from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.errors import InvalidClusterStateFault
from reconciler.providers.data import Progress
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.changes.new_dek import name_dek
from reconciler_warehouse.changes.rotation import current_cek, same_root
from reconciler_warehouse.keyring import Cek, drop_holdings, lacks_cek, retake
from reconciler_warehouse.keys.hierarchy import open_cek, opened, stage_cek, stage_deks, unstage
from reconciler_warehouse.lost_roots import escrow
from reconciler_warehouse.online import ending
from reconciler_warehouse.online.leases import Target
from reconciler_warehouse.online.workers import move_all
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import ClusterRow, cluster_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, MODIFYING
from reconciler_warehouse.writing import carried_out

VERB: Final = operations.REENCRYPT


def begin(site: Site, cluster: ClusterRow, token: str) -> Operation:
    """The change's journal row. InvalidClusterStateFault when the cluster is not encrypted."""
    if cluster.dek is None and operations.find(site, token) is None:
        raise InvalidClusterStateFault(
            f"Cluster {cluster.name} is not encrypted: there is nothing to encrypt again",
            suggestion="Encrypt it first.",
        )
    return operations.begin(site, cluster, token, VERB, {"dek": site.uid()}, status=MODIFYING)


def run(site: Site, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """Carry it through, from wherever it was left."""
    dek = str(operation.facts["dek"])
    target = Target(operation=operation.token, cluster=cluster.uid, dek=dek)
    cek = current_cek(site, cluster.uid)
    if cek is None:
        raise lacks_cek(site.keyring, cluster.name)
    if cek.operation != operation.token:
        progress("the cluster's new keys are made and verified", None, None)
        _new_keys(site, cluster, operation.token, cek, dek)
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        with site.catalogue.write() as catalogue:
            operations.require_open(catalogue, operation.token)
            now = cluster_where(catalogue, "uid = ?", cluster.uid) or cluster
            if now.dek != dek:
                with manifest.changing(catalogue, cluster.uid, deks):
                    name_dek(catalogue, cluster, dek, deks, before=now.dek)
                    carried_out.forget_older(catalogue, cluster.uid, dek)
        progress("new rows are sealed under the new keys from now on", None, None)
        move_all(site, target, deks, progress)
        ending.let_others_finish(site, cluster.uid, progress)
    with site.catalogue.write() as catalogue:
        if not operations.is_open(catalogue, operation.token):
            return
        ending.require_moved(catalogue, target, cluster.name)
    with site.keyring.write() as ring:
        drop_holdings(ring, cluster.uid, keep=dek, operation=operation.token)
    with site.catalogue.write() as catalogue:
        if operations.is_open(catalogue, operation.token):
            catalogue.execute(
                "UPDATE cluster SET status = ?, rotated_at = ? WHERE uid = ?",
                (AVAILABLE, site.now().isoformat(), cluster.uid),
            )
            ending.end(catalogue, target)
            said = f"All data of cluster {cluster.name} were encrypted again under new keys"
            events.note(catalogue, cluster.uid, cluster.name, events.SECURITY, events.INFO, said, at=site.now())


def _new_keys(site: Site, cluster: ClusterRow, operation: str, cek: Cek, dek: str) -> None:
    """A new CEK under the same root, the old DEKs and a new one under it, proved; then taken in one commit."""
    unstage(site, operation)
    staged = stage_cek(site, same_root(cek), cek.origin, operation)
    with (
        opened(site, cluster.uid, f"Cluster {cluster.name}") as deks,
        open_cek(site, staged, "The new key") as key,
        DataKey.generate(site.random) as made,
    ):
        stage_deks(site, staged, key, cluster.uid, {**deks, dek: made}, primary=dek)
        escrow.keep_new(site, cluster, deks, staged.uid, {dek: made})
    with site.keyring.write() as ring:
        retake(ring, {cluster.uid: staged.uid}, {cluster.uid: cek.uid})
