"""Proof by behaviour that clusters, snapshots and copies are protected as declared (RE3–RE7, SC4, CONTRACT 3).

Reads only. The tiers are opened from the top as a query opens them, and each is tried with what must not open it:
``proving_keys`` for the root, CEK and DEKs, ``proving_segments`` for key tables, blocks and raw bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from reconciler.errors import ReconcilerError
from reconciler.providers.data import Root, RootKind
from reconciler.providers.proofs import (
    KEYS_OPENED,
    MANIFESTS,
    ROUND_TRIPS,
    SAMPLES,
    Check,
    Result,
    Witness,
    failed,
    unchecked,
    unprotected,
)
from reconciler_warehouse.keyring import cek_of
from reconciler_warehouse.keys.roots import Adopted, prove
from reconciler_warehouse.names import COPY_GRANT_PAIR, copy_grant_arn
from reconciler_warehouse.proofs import proving_escrow, proving_keys, proving_segments
from reconciler_warehouse.proofs.proving_segments import Holder
from reconciler_warehouse.proofs.proving_tokens import Opened
from reconciler_warehouse.rows import cluster_where, snapshot_where
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, CREATING, INCOMPATIBLE, RESIZING
from reconciler_warehouse.stored_values import root_kind

_RESTORE = "Restore the warehouse's folder from a backup; `reconciler plan` says what else is missing."
_LOOKS = 3
_SNAPSHOTS = """SELECT name, dek IS NOT NULL FROM snapshot
    WHERE cluster_uid = ? AND source_region IS NULL AND kind = 'automated' AND status = ? ORDER BY name"""


def cluster(site: Site, name: str, root: Root, witness: Witness) -> Iterator[Check]:
    """See ``ProvesWarehouse.prove_cluster``."""
    yield from _steady(site, "cluster", name, lambda: _cluster(site, name, root, witness))


def snapshot(site: Site, name: str, root: Root | None, witness: Witness) -> Iterator[Check]:
    """See ``ProvesWarehouse.prove_snapshot``."""
    yield from _steady(site, "snapshot", name, lambda: _snapshot(site, name, root, witness))


def _steady(site: Site, kind: str, name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    """What a look finds. Nothing locks out an apply: when something is wrong and keys or segments were changed
    meanwhile, it is looked at again as it is by then."""
    for _ in range(_LOOKS):
        before = _version(site, kind, name)
        found = list(look())
        if all(check.result is Result.PROVED for check in found) or _version(site, kind, name) == before:
            return found
    moving = f"{kind} {name} was changed each time that it was looked at"
    return [*found, unchecked(MANIFESTS, moving, "Run `reconciler verify` again when the apply has ended.")]


def _version(site: Site, kind: str, name: str) -> object:
    """Another value after every change of the keys or segments of a cluster or snapshot."""
    with site.catalogue.read() as catalogue, site.keyring.read() as ring:
        row = None
        if catalogue is not None:
            row = catalogue.execute(
                f"SELECT uid, status, dek, manifest_version FROM {kind} WHERE name = ?",  # noqa: S608  # one of two
                (name,),
            ).fetchone()
        cek = None if ring is None or row is None else cek_of(ring, row[0])
        return row, None if cek is None else cek.uid


def _cluster(site: Site, name: str, root: Root, witness: Witness) -> Iterator[Check]:
    with site.catalogue.read() as catalogue:
        row = None if catalogue is None else cluster_where(catalogue, "name = ?", name)
        taken = (
            [] if catalogue is None or row is None else catalogue.execute(_SNAPSHOTS, (row.uid, AVAILABLE)).fetchall()
        )
    if row is None or row.status == CREATING:
        yield unprotected(MANIFESTS, f"there is no cluster {name} in {site.region}", _RESTORE)
        return
    if row.status == INCOMPATIBLE:
        fix = "Run `reconciler plan`: it deletes what is left of it and makes it again (HS9)."
        yield unprotected(MANIFESTS, f"cluster {name} is {INCOMPATIBLE}: nothing of it was made", fix)
        return
    if row.status == RESIZING:
        yield unprotected(
            SAMPLES,
            f"the change of encryption of cluster {name} is not finished: part of its data is in clear",
            "Run `reconciler apply`: it goes on with it.",
        )
    holder = Holder(
        kind="cluster",
        uid=row.uid,
        name=name,
        origin=row.uid,
        dek=row.dek,
        context=proving_keys.required_context(site, name, row.created_at),
    )
    yield from _holder(site, holder, root, witness)
    for automated, is_sealed in taken:
        # One from before the cluster was decrypted stays as it was taken.
        stays = is_sealed and root.kind is RootKind.NONE
        yield from snapshot(site, automated, None if stays else root, witness)


def _snapshot(site: Site, name: str, root: Root | None, witness: Witness) -> Iterator[Check]:
    with site.catalogue.read() as catalogue:
        row = None if catalogue is None else snapshot_where(catalogue, "name = ?", name)
    if row is None or row.status != AVAILABLE:
        yield unprotected(MANIFESTS, f"there is no snapshot {name} in {site.region}", _RESTORE)
        return
    holder = Holder(kind="snapshot", uid=row.uid, name=name, origin=row.origin, dek=row.dek, context={})
    yield from _holder(site, holder, root, witness)


def copy_grant(site: Site, name: str, root: Root, witness: Witness) -> Iterator[Check]:
    """See ``ProvesWarehouse.prove_copy_grant``."""
    with site.keyring.read() as ring:
        row = None
        if ring is not None:
            row = ring.execute(
                "SELECT root_kind, root_arn, grant_id FROM copy_grant WHERE name = ? AND ready", (name,)
            ).fetchone()
    if row is None:
        fix = "Run `reconciler apply`: it makes the grant again."
        yield unprotected(ROUND_TRIPS, f"there is no snapshot copy grant {name} in {site.region}", fix)
        return
    kind, key_arn = root_kind(row[0]), row[1]
    if kind is not root.kind or key_arn != root.key_arn:
        yield proving_keys.wrong_root(ROUND_TRIPS, f"snapshot copy grant {name}", kind, key_arn, root)
        return
    if kind is RootKind.OWNED:
        return  # the owned key is made with the first copy; there is no key of anybody's to prove before
    named = {COPY_GRANT_PAIR: copy_grant_arn(site.region, site.account, name)}
    try:
        prove(site, Adopted(kind=kind, key_arn=key_arn, context=named, grant_id=row[2]))
    except ReconcilerError as error:
        yield failed(ROUND_TRIPS, error, "Give the warehouse the use of the key again (enable it, restore the grant).")
        return
    yield Check(what=ROUND_TRIPS)
    yield from proving_keys.copy_grant_refusals(site, key_arn, named)


def store(site: Site, witness: Witness) -> Iterator[Check]:
    """See ``ProvesWarehouse.prove_store``."""
    yield from proving_segments.strays(site, witness)


def _holder(site: Site, holder: Holder, root: Root | None, witness: Witness) -> Iterator[Check]:
    """Everything that one cluster or snapshot rests on, from its root down."""
    if holder.dek is None:
        if root is not None and root.kind is not RootKind.NONE:
            yield unprotected(
                SAMPLES,
                f"{holder.kind} {holder.name} is stored in clear, and is declared to be encrypted",
                "Run `reconciler plan`: it encrypts a cluster again. A snapshot stays as it was taken: delete it when "
                "an encrypted one exists (RE15).",
            )
        yield from proving_segments.segments(site, holder, {}, witness)
        return
    with ExitStack() as wiped:
        is_open = True
        keys = Opened()
        for check in proving_keys.tiers(site, holder, root, witness, keys=keys, wiped=wiped):
            is_open = is_open and check.result is Result.PROVED
            yield check
        if keys.deks:
            yield from proving_escrow.wraps(site, holder, keys.deks, witness)
            yield from proving_segments.segments(site, holder, keys.deks, witness)
        elif is_open:
            yield unprotected(KEYS_OPENED, f"{holder.kind} {holder.name} has no database key", _RESTORE)
