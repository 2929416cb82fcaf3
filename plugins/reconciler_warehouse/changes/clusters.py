"""Making and removing clusters (RE1, RE4–RE6)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, ConflictException, DamagedStore, HsmError
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.backups import snapshots
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.keyring import cek_of, take
from reconciler_warehouse.keys.hierarchy import open_cek, opened, stage_cek, stage_dek, unstage
from reconciler_warehouse.keys.roots import Adopted, adopt, named, owned_key, usable_key, usable_partition
from reconciler_warehouse.names import cluster_context
from reconciler_warehouse.online import leases, mode
from reconciler_warehouse.rows import ClusterRow, cluster_named, cluster_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING, INCOMPATIBLE, UNFINISHED
from reconciler_warehouse.upkeep.drafts import let_go_of, sweep


def create(site: Site, caller: Caller, request: ClusterRequest, token: str) -> None:
    """A cluster with its hierarchy made, durable, read back and opened (I2); no-op when the token made it.

    AlreadyExistsException for a name in use. A cluster that another call began and never finished is not in the way,
    nor one that its HSM did not let be made: that is what HsmUnavailable and IncompatibleHsm leave here, and only that.
    """
    cluster = begin(site, caller, request, token)
    if cluster is None:
        return
    dek = None
    if request.root.kind is not RootKind.NONE:
        dek = make_hierarchy(site, caller, cluster, request.root, token)
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
        if dek is not None and dek not in deks:
            raise DamagedStore(f"The key ring at {site.keyring.path} did not keep the key of cluster {cluster.name}")
        with making(site, cluster) as catalogue:
            if catalogue is None:
                return
            catalogue.execute(
                "UPDATE cluster SET status = ?, dek = ?, rotated_at = ? WHERE uid = ?",
                (AVAILABLE, dek, None if dek is None else site.now().isoformat(), cluster.uid),
            )
            manifest.seal_new_cluster(catalogue, cluster.uid, deks)
            said = "The cluster was created" if dek is None else "The cluster was created, encrypted"
            events.note(catalogue, cluster.uid, cluster.name, events.MANAGEMENT, events.INFO, said, at=site.now())


def begin(site: Site, caller: Caller, request: ClusterRequest, token: str) -> ClusterRow | None:
    """The new cluster's name, reserved, or as this call left it when it was interrupted; None when the token made it
    already. The root is checked before. As ``create``."""
    with site.catalogue.read() as catalogue:
        known = None if catalogue is None else cluster_where(catalogue, "token = ?", token)
        other = None if catalogue is None else cluster_where(catalogue, "name = ?", request.name)
    if known is not None and known.status not in UNFINISHED:
        return None
    if other is not None and other.token != token:
        if other.status not in UNFINISHED:
            raise AlreadyExistsException(
                f"A cluster {request.name} exists already in {site.region}",
                suggestion="Import it, or choose another name.",
            )
        remove(site, other, unfinished_only=True)
    try:
        check_root(site, caller, request.root)
    except HsmError as error:
        raise _left_incompatible(site, request, token, error) from error
    if known is not None and known.status == INCOMPATIBLE:
        remove(site, known, unfinished_only=True)
        known = None
    if known is not None and not _is_for(site, known, request.root):
        remove(site, known, unfinished_only=True)  # empty still; its keys must not become those of another request
        sweep(site)
        known = None
    return known or _reserve(site, request, token)


@contextmanager
def making(site: Site, cluster: ClusterRow) -> Iterator[sqlite3.Connection | None]:
    """The commit that makes a cluster which was begun; None when the same call, elsewhere, was quicker.
    ConflictException when another call gave it up meanwhile: then the keys that it got since go, too."""
    with site.catalogue.write() as catalogue:
        now = cluster_where(catalogue, "uid = ?", cluster.uid)
        if now is not None:
            yield catalogue if now.status in UNFINISHED else None
            return
        catalogue.execute("INSERT OR IGNORE INTO gone (holder) VALUES (?)", (cluster.uid,))
    raise ConflictException(
        f"Cluster {cluster.name} was given up by another process while it was made",
        suggestion="Run the command again.",
    )


def _is_for(site: Site, cluster: ClusterRow, root: Root) -> bool:
    """Whether what an unfinished creation has made so far is under that root."""
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, cluster.uid)
    return cek is None or (cek.root_kind is root.kind and named(root) in (None, cek.root_arn))


def _left_incompatible(site: Site, request: ClusterRequest, token: str, error: HsmError) -> HsmError:
    """The partition did not let the cluster be made (HS5): its name and status stay, and nothing else of it."""
    with site.catalogue.read() as catalogue:
        begun = None if catalogue is None else cluster_where(catalogue, "name = ?", request.name)
    if begun is not None and begun.status == CREATING:
        remove(site, begun, unfinished_only=True)  # what an earlier run of the call made so far
        sweep(site)
    if begun is None or begun.status == CREATING:
        _reserve(site, request, token, INCOMPATIBLE)
    return type(error)(
        f"Cluster {request.name} is {INCOMPATIBLE} and was not created: {error.summary}",
        fault=error.fault,
        detail=error.detail,
        suggestion=" ".join(
            [
                *([error.suggestion] if error.suggestion else []),
                "Then run `reconciler plan`: delete it and make it again.",
            ]
        ),
    )


def check_root(site: Site, caller: Caller, root: Root) -> None:
    """Refuse a root that cannot be used before anything is written."""
    if root.kind is RootKind.OWNED:
        owned_key(site)
    elif root.kind is RootKind.HSM:
        usable_partition(site, caller, root)
    elif root.kind is not RootKind.NONE:
        usable_key(site, caller, root)


def make_hierarchy(site: Site, caller: Caller, cluster: ClusterRow, root: Root, operation: str) -> str:
    """Grant, CEK and DEK for a cluster that has none; the DEK's uid. Taken up where it was left."""
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, cluster.uid)
    if cek is not None and cek.operation == operation:
        with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks:
            return next(iter(deks))
    adopted = adopt_for(site, caller, cluster, root)
    unstage(site, operation)
    staged = stage_cek(site, adopted, cluster.uid, operation)
    dek = site.uid()
    with open_cek(site, staged, f"Cluster {cluster.name}", adopted) as key:
        stage_dek(site, staged, key, cluster.uid, dek)
    with site.keyring.write() as ring:
        take(ring, {cluster.uid: staged.uid}, {cluster.uid: None if cek is None else cek.uid})
    return dek


def adopt_for(site: Site, caller: Caller, cluster: ClusterRow, root: Root) -> Adopted:
    """The root, usable for this cluster, with the cluster's own grant on it."""
    context = cluster_context(site.region, site.account, cluster.name, cluster.created_at)
    return adopt(site, caller, root, context, subset=context, grant_name=f"cluster/{cluster.uid}")


def delete(site: Site, name: str) -> None:
    """Remove the cluster, its data and keys; snapshots keep what they refer to. No error when it is gone."""
    with site.catalogue.read() as catalogue:
        cluster = None if catalogue is None else cluster_where(catalogue, "name = ?", name)
    if cluster is not None:
        remove(site, cluster)


def remove(site: Site, cluster: ClusterRow, *, unfinished_only: bool = False) -> None:
    """The cluster leaves the catalogue in one commit; its files and keys follow by the sweep.

    Snapshots of it that were never finished go first: nobody can finish them any more. ``unfinished_only`` leaves a
    cluster alone that was finished since its row was read.
    """
    for snapshot in snapshots.of_cluster(site, cluster.uid):
        if snapshot.status == CREATING:
            snapshots.remove(site, snapshot, unfinished_only=True)
    with site.catalogue.write() as catalogue:
        now = cluster_where(catalogue, "uid = ?", cluster.uid)
        if now is not None and now.status not in UNFINISHED and unfinished_only:
            raise AlreadyExistsException(f"A cluster {cluster.name} was made in {site.region} meanwhile")
        if now is not None and now.status not in UNFINISHED:
            told = (now.uid, now.name, events.MANAGEMENT, events.INFO, _farewell(catalogue, now.uid))
            events.note(catalogue, *told, at=site.now())
        remove_in(catalogue, cluster.uid)


def _farewell(catalogue: sqlite3.Connection, cluster: str) -> str:
    """What becomes of its snapshots: without it, their keys are not rotated any more (RO3)."""
    (count,) = catalogue.execute(
        "SELECT count(*) FROM snapshot WHERE cluster_uid = ? AND dek IS NOT NULL AND source_region IS NULL", (cluster,)
    ).fetchone()
    orphaned = f"; the keys of {count} of them can no longer be rotated (RO3)" if count else ""
    return f"The cluster was deleted; its snapshots stay{orphaned}"


def remove_in(catalogue: sqlite3.Connection, cluster: str) -> None:
    """The same, inside a transaction that saw it."""
    segments = catalogue.execute(
        """SELECT s.file, s.key_table, s.delete_vector FROM segment s JOIN data_table t ON t.uid = s.data_table
           WHERE t.cluster = ?""",
        (cluster,),
    ).fetchall()
    catalogue.execute("DELETE FROM cluster WHERE uid = ?", (cluster,))
    manifest.drop_pages(catalogue, cluster)
    let_go_of(catalogue, [file for file, _, _ in segments], [key_table for _, key_table, _ in segments])
    delete_vectors.let_go(catalogue, [vector for _, _, vector in segments if vector is not None])
    for one in operations.unfinished_in(catalogue, cluster):
        leases.drop(catalogue, one.token)
        operations.finish(catalogue, one.token)
    catalogue.execute("INSERT OR IGNORE INTO gone (holder) VALUES (?)", (cluster,))


def resize(site: Site, name: str, node_type: str, nodes: int) -> None:
    """Other nodes; no error when it has them. InvalidClusterStateFault while its encryption is changed: a resize goes
    before that, never during (RE9)."""
    cluster = cluster_named(site, name)
    with site.catalogue.write() as catalogue:
        mode.require_no_change(catalogue, cluster.uid, f"Cluster {name} is not resized")
        changed = catalogue.execute(
            "UPDATE cluster SET node_type = ?1, nodes = ?2 WHERE uid = ?3 AND (node_type, nodes) != (?1, ?2)",
            (node_type, nodes, cluster.uid),
        )
        if changed.rowcount == 1:
            told = (cluster.uid, cluster.name, events.MANAGEMENT, events.INFO, f"It has {nodes} × {node_type} now")
            events.note(catalogue, *told, at=site.now())


def _reserve(site: Site, request: ClusterRequest, token: str, status: str = CREATING) -> ClusterRow:
    with site.catalogue.write() as catalogue:
        catalogue.execute(
            """INSERT INTO cluster (uid, name, token, status, node_type, nodes, database, created_at)
               VALUES (?,?,?,?,?,?,?,?)""",
            (
                *(site.uid(), request.name, token, status, request.node_type, request.nodes, request.database),
                site.now().isoformat(),
            ),
        )
        made = cluster_where(catalogue, "token = ?", token)
    if made is None:
        raise DamagedStore(f"The catalogue at {site.catalogue.path} did not keep a cluster that was just written")
    return made
