"""Cluster keys in HSM partitions: asked for under ids that are durable before (I10), retired when nothing is under
them, destroyed only by name (HS2, RO1).

``cluster_key`` has a row for each key that a partition was ever asked for. What was never taken by a cluster or
snapshot opens nothing that is kept, so it goes from the token by itself: that is how a killed call leaves nothing
there. What was taken is retired and stays in the token until ``destroy`` is told its id: a backup of the key ring may
still need it. A key that the vendor's tools replicated is never destroyed unless by name.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException, DamagedStore, ReconcilerError, ResourceNotFoundException
from reconciler.providers.hsm import RetiredClusterKey
from reconciler_warehouse.keyring import Cek, ClusterKey, add_cek, cek_at, is_named, note_cluster_key, unneeded
from reconciler_warehouse.keys import internal_root
from reconciler_warehouse.site import Site
from reconciler_warehouse.stored_values import moment

_PATIENCE: Final = timedelta(minutes=1)
_IS_NAMED: Final = "SELECT 1 FROM cek WHERE material = k.key_id"


def make(site: Site, cek: Cek) -> Cek:
    """The CEK, staged in the key ring and then made by its partition, which proves it (I2). HsmError."""
    internal_root.ensure(site)
    _write_down(site, cek, adopted=False)
    site.hsm.create_cluster_key(site.service_caller, cek.root_arn, cek.material)
    return _still_wanted(site, cek)


def adopt(site: Site, cek: Cek) -> Cek:
    """The same for a key that the vendor's tools put into the partition: only the connection is tried (HS6)."""
    unverified = replace(cek, verified=False)
    _write_down(site, unverified, adopted=True)
    site.hsm.adopt_cluster_key(site.service_caller, cek.root_arn, cek.material)
    return _still_wanted(site, unverified)


def release(site: Site) -> None:
    """Retire the keys that nothing is under any more, and remove those from the token that never were under anything.
    What cannot be asked now stays noted for the next time."""
    for one in _let_go(site):
        failed_at = site.unanswering.get(one.partition)
        if failed_at is not None and failed_at <= site.now() < failed_at + _PATIENCE:
            continue
        try:
            _retire(site, one)
        except ReconcilerError:
            site.unanswering[one.partition] = site.now()
            continue
        with site.keyring.write() as ring:
            if one.taken:
                ring.execute(
                    "UPDATE cluster_key SET retired_at = ?, let_go = 0 WHERE key_id = ? AND partition = ?",
                    (site.now().isoformat(), one.key_id, one.partition),
                )
            else:
                ring.execute("DELETE FROM cluster_key WHERE key_id = ? AND partition = ?", (one.key_id, one.partition))


def retired(site: Site) -> list[RetiredClusterKey]:
    """See ``RetiresClusterKeys.retired_cluster_keys``."""
    with site.keyring.read() as ring:
        if ring is None:
            return []
        rows = ring.execute(
            f"""SELECT key_id, partition, retired_at, EXISTS ({_IS_NAMED}) FROM cluster_key k
                WHERE retired_at IS NOT NULL ORDER BY partition, key_id"""  # noqa: S608  # a constant
        ).fetchall()
    return [
        RetiredClusterKey(key_id=key_id, partition=partition, retired_at=moment(at), is_needed=bool(needed))
        for key_id, partition, at, needed in rows
    ]


def needed(site: Site, key_ids: Collection[str]) -> list[str]:
    """See ``RetiresClusterKeys.needed_cluster_keys``. A key that is being made is staged, and so needed."""
    with site.keyring.read() as ring:
        return [] if ring is None else sorted(key_id for key_id in set(key_ids) if is_named(ring, key_id))


def destroy(site: Site, caller: Caller, key_ids: Collection[str], partition: str | None) -> list[str]:
    """See ``RetiresClusterKeys.destroy_retired_cluster_keys``."""
    chosen = [one for one in retired(site) if one.key_id in key_ids and partition in (None, one.partition)]
    for one in chosen:
        if one.is_needed:
            raise ConflictException(
                f"Cluster key {one.key_id} is retired in {one.partition}, and still opens data in another partition "
                "that it was replicated to",
                suggestion="Nothing was destroyed. Rotate the cluster first, so that it gets a key of its own there.",
            )
    for one in chosen:
        with site.keyring.write():
            pass  # a process that was overtaken is refused here (I13)
        with suppress(ResourceNotFoundException):  # its partition went, and its keys before it
            site.hsm.destroy_cluster_key(caller, one.partition, one.key_id)
        with site.keyring.write() as ring:
            ring.execute("DELETE FROM cluster_key WHERE key_id = ? AND partition = ?", (one.key_id, one.partition))
    return sorted({one.key_id for one in chosen})


def _write_down(site: Site, cek: Cek, *, adopted: bool) -> None:
    """Durable before the partition is asked, so that an unknown outcome is settled by the id."""
    with site.keyring.write() as ring:
        add_cek(ring, cek)
        note_cluster_key(ring, cek, adopted=adopted)
    with site.keyring.read() as ring:
        back = None if ring is None else cek_at(ring, cek.uid)
    if back is None:
        raise DamagedStore(f"The key ring at {site.keyring.path} did not keep a key that was just written")


def _still_wanted(site: Site, cek: Cek) -> Cek:
    """Another process may have given the change up while the partition worked: the key is noted again, so that it
    goes. ConflictException."""
    with site.keyring.write() as ring:
        if cek_at(ring, cek.uid) is not None:
            return cek
        note_cluster_key(ring, cek, adopted=not cek.verified)
        ring.execute(
            "UPDATE cluster_key SET let_go = 1 WHERE key_id = ? AND partition = ?", (cek.material, cek.root_arn)
        )
    raise ConflictException(
        "The keys were changed by another process meanwhile; nothing of this call was switched",
        suggestion="Run the command again.",
    )


def _let_go(site: Site) -> list[ClusterKey]:
    """The keys to be retired. Read again in a transaction, where a process that was overtaken is refused before any
    partition is asked (I13)."""
    with site.keyring.read() as ring:
        if ring is None or not unneeded(ring):
            return []
    with site.keyring.write() as ring:
        return unneeded(ring)


def _retire(site: Site, key: ClusterKey) -> None:
    try:
        site.hsm.retire_cluster_key(site.service_caller, key.partition, key.key_id)
    except ResourceNotFoundException:
        return  # the call that was to make it never came through
    if not key.taken and not key.adopted:
        site.hsm.destroy_cluster_key(site.service_caller, key.partition, key.key_id)
