"""Rotating a cluster's keys: a new CEK for it and for each of its snapshots, a new DEK for it (RO1).

Data files are not touched: key tables are opened under the old DEK and sealed under the new, in batches. Snapshots keep
the DEK they were taken with, under a new CEK of their own.
"""

from __future__ import annotations

from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore, InvalidClusterStateFault
from reconciler.providers.data import Progress
from reconciler.providers.warehouse import RootKeyState
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.backups.snapshots import of_cluster, retake_with_all
from reconciler_warehouse.changes import resealing, resealing_vectors
from reconciler_warehouse.changes.new_dek import name_dek
from reconciler_warehouse.keyring import Cek, cek_of, drop_holdings, lacks_cek
from reconciler_warehouse.keys.hierarchy import (
    open_cek,
    opened,
    stage_cek,
    stage_deks,
    unstage,
)
from reconciler_warehouse.keys.roots import Adopted
from reconciler_warehouse.lost_roots import escrow
from reconciler_warehouse.lost_roots.root_state import WHAT, root_state
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import ClusterRow, cluster_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, ROTATING

VERB: Final = operations.ROTATE


def begin(site: Site, cluster: ClusterRow, token: str) -> Operation:
    """The rotation's journal row, and the status that tells of it. InvalidClusterStateFault when not encrypted."""
    if cluster.dek is None and operations.find(site, token) is None:
        raise InvalidClusterStateFault(
            f"Cluster {cluster.name} is not encrypted: it has no keys to rotate (RO1)",
            suggestion="Encrypt it first.",
        )
    return operations.begin(site, cluster, token, VERB, {"dek": site.uid()}, status=ROTATING)


def run(site: Site, cluster: ClusterRow, operation: Operation, progress: Progress) -> None:
    """Carry the rotation through, from wherever it was left."""
    dek = str(operation.facts["dek"])
    cek = current_cek(site, cluster.uid)
    if cek is None or cek.operation != operation.token:
        while not _has_new_ceks(site, cluster, operation.token, dek, progress):
            site.checkpoint()
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        with site.catalogue.write() as catalogue:
            operations.require_open(catalogue, operation.token)
            now = cluster_where(catalogue, "uid = ?", cluster.uid) or cluster
            manifest.check(catalogue, "cluster", cluster.uid, cluster.name, deks)
            if now.dek != dek:
                with manifest.changing(catalogue, cluster.uid, deks):
                    name_dek(catalogue, cluster, dek, deks, before=now.dek)
        resealing.all_of(site, cluster.uid, operation, deks, progress)
        resealing_vectors.all_of(site, cluster.uid, operation.token, dek, deks)
    with site.catalogue.write() as catalogue:
        operations.require_open(catalogue, operation.token)
    with site.keyring.write() as ring:
        drop_holdings(ring, cluster.uid, keep=dek, operation=operation.token)
    with site.catalogue.write() as catalogue:
        if operations.is_open(catalogue, operation.token):
            catalogue.execute(
                "UPDATE cluster SET status = ?, rotated_at = ? WHERE uid = ?",
                (AVAILABLE, site.now().isoformat(), cluster.uid),
            )
            operations.finish(catalogue, operation.token, at=site.now())


def current_cek(site: Site, holder: str) -> Cek | None:
    """The CEK that the holder points at."""
    with site.keyring.read() as ring:
        return None if ring is None else cek_of(ring, holder)


def same_root(cek: Cek) -> Adopted:
    """The root that a CEK is under, with the grant that stands on it."""
    return Adopted(kind=cek.root_kind, key_arn=cek.root_arn, context=cek.context, grant_id=cek.grant_id)


def _has_new_ceks(site: Site, cluster: ClusterRow, operation: str, dek: str, progress: Progress) -> bool:
    """New CEKs for the cluster and its snapshots, staged and proved one by one, taken in one commit. False when a
    snapshot was taken meanwhile, which is to have one, too."""
    unstage(site, operation)
    holders = [cluster.uid, *(one.uid for one in of_cluster(site, cluster.uid))]
    behind = set(holders) - {cluster.uid} - _under_root_of(site, cluster.uid, holders)
    pointers: dict[str, str] = {}
    before: dict[str, str | None] = {}
    for number, holder in enumerate(holders):
        progress("cluster keys made and verified", number, len(holders))
        cek = current_cek(site, holder)
        if cek is None:
            continue  # a snapshot from before the cluster was encrypted has no keys
        if holder in behind and not _is_usable(site, cluster, cek):
            continue
        staged = stage_cek(site, same_root(cek), cek.origin, operation)
        before[holder], pointers[holder] = cek.uid, staged.uid
        with opened(site, holder, f"Cluster {cluster.name}") as deks, open_cek(site, staged, "The new key") as key:
            if dek in deks:
                raise DamagedStore(f"The rotation of cluster {cluster.name} would make a key that it has already")
            if holder == cluster.uid:
                with DataKey.generate(site.random) as made:
                    stage_deks(site, staged, key, holder, {**deks, dek: made}, primary=dek)
                    escrow.keep_new(site, cluster, deks, staged.uid, {dek: made})
            elif deks:  # else the snapshot was deleted meanwhile
                stage_deks(site, staged, key, holder, deks, primary=next(iter(deks)))
    if cluster.uid not in pointers:
        raise lacks_cek(site.keyring, cluster.name)
    with site.keyring.write() as ring:
        return retake_with_all(site, cluster, ring, pointers, before)


def _under_root_of(site: Site, cluster: str, holders: list[str]) -> set[str]:
    mine = current_cek(site, cluster)
    ceks = {holder: current_cek(site, holder) for holder in holders}
    return {holder for holder, cek in ceks.items() if cek and mine and cek.root_arn == mine.root_arn}


def _is_usable(site: Site, cluster: ClusterRow, cek: Cek) -> bool:
    """Whether a snapshot that stayed under another root can be rotated. One whose root is lost is told, and does not
    keep the cluster, and what is under its root, from getting new keys."""
    state = root_state(site, cek)
    if state is RootKeyState.USABLE:
        return True
    said = f"A snapshot that stayed under {cek.root_arn} gets no new keys: that key {WHAT[state]}"
    with site.catalogue.write() as catalogue:
        events.note(catalogue, cluster.uid, cluster.name, events.SECURITY, events.ERROR, said, at=site.now())
    return False
