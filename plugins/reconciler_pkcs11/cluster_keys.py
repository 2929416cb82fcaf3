"""Cluster keys (CEKs): made in a partition, never outside it (HS2); what they wrap is 32 bytes of a DEK (HS3).

The key's id is part of what every wrapped key is bound to, the partition is not: a key that the vendor's tools
replicated opens in the other partition what it wrapped in this one (HS6).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from reconciler.access.caller import Caller
from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.errors import (
    ConflictException,
    HsmFault,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.hsm import ClusterKeyDescription, KeyVerdict, Suite, Verification
from reconciler_pkcs11 import canary, rows
from reconciler_pkcs11.judging import key_error, require_marker, require_wrapped_by, settled
from reconciler_pkcs11.making import NewObject, make_object
from reconciler_pkcs11.names import cluster_label, is_id
from reconciler_pkcs11.partitions import require_partition
from reconciler_pkcs11.requests import Asked, asked, check_account
from reconciler_pkcs11.rows import ClusterKeyRow, PartitionRow
from reconciler_pkcs11.site import Site

Context = Mapping[str, str]


def create_cluster_key(site: Site, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
    """See ``KeepsClusterKeys.create_cluster_key``."""
    with _asked(site, caller, "GenerateHsmKey", partition, key_id) as (asking, row):
        if not is_id(key_id):
            raise ValidationException(f"{key_id} is no id of a key in a partition: it has 32 hex digits")
        with site.write() as connection:
            _require_kept(connection, row)
            kept = rows.cluster_key(connection, row.uid, key_id)
            if kept is None:
                made = (row.uid, key_id, row.known_suites[0].value, site.now(), 0, 0, None, None)
                connection.execute("INSERT INTO cluster_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)", made)
                kept = ClusterKeyRow._make(made)
        if kept.ready:
            _prove(site, row, kept)
            return rows.describe_cluster_key(kept, row.name)
        with site.connections.use(row) as opened:
            require_marker(opened, row)
        new = NewObject(object_id=key_id, label=cluster_label(key_id), suite=Suite(kept.suite))
        proof = make_object(site.connections, row, new)
        with site.write() as connection:
            connection.execute(
                "UPDATE cluster_key SET ready = 1, canary = ? WHERE partition = ? AND key_id = ?",
                (proof, row.uid, key_id),
            )
            asking.record(connection)
        return rows.describe_cluster_key(kept, row.name)


def wrap_data_key(site: Site, caller: Caller, partition: str, key_id: str, key: DataKey, *, context: Context) -> bytes:
    """See ``KeepsClusterKeys.wrap_data_key``. ConflictException for a retired key."""
    row, kept = _usable(site, caller, partition, key_id)
    if kept.retired_at is not None:
        raise ConflictException(f"The cluster key {key_id} is retired: nothing new goes under it")
    if len(key) != KEY_BYTES:
        raise ValidationException(f"A partition wraps keys of {KEY_BYTES} bytes, not of {len(key)}")
    with _settled(site, row, kept), site.connections.use(row) as opened:
        return opened.wrap(key_id, Suite(kept.suite), key, _aad(key_id, context))


def unwrap_data_key(
    site: Site, caller: Caller, partition: str, key_id: str, wrapped: bytes, *, context: Context
) -> DataKey:
    """See ``KeepsClusterKeys.unwrap_data_key``."""
    row, kept = _usable(site, caller, partition, key_id)
    require_wrapped_by(wrapped, key_id, None if kept.canary is None else kept.suite)
    with _settled(site, row, kept), site.connections.use(row) as opened:
        return opened.unwrap(wrapped, _aad(key_id, context))


def describe_cluster_keys(
    site: Site, caller: Caller, partition: str | None, key_ids: Collection[str] | None
) -> list[ClusterKeyDescription]:
    """See ``KeepsClusterKeys.describe_cluster_keys``."""
    check_account(site, caller, "redshift:DescribeHsmConfigurations")
    only = None if partition is None else require_partition(site, partition).uid
    with site.store.read() as connection:
        if connection is None:
            return []
        names = {row.uid: row.name for row in rows.partitions(connection)}
        found = map(
            ClusterKeyRow._make, connection.execute(f"{rows.CLUSTER_KEY} WHERE ready ORDER BY key_id, partition")
        )
        return [
            rows.describe_cluster_key(row, names[row.partition])
            for row in found
            if only in (None, row.partition) and (key_ids is None or row.key_id in key_ids)
        ]


def adopt_cluster_key(site: Site, caller: Caller, partition: str, key_id: str) -> ClusterKeyDescription:
    """See ``KeepsClusterKeys.adopt_cluster_key``. What the other partition's key is proved by is kept of it, too.
    ConflictException for a partition whose keys are to be verified."""
    with _asked(site, caller, "AdoptHsmKey", partition, key_id) as (asking, row):
        if row.verify != Verification.CONNECTION_ONLY:
            raise ConflictException(
                f"The HSM configuration {row.name} verifies the keys that are put under it",
                suggestion="`verify: connection-only` takes over keys that the vendor's tools replicated (HS6).",
            )
        with site.write() as connection:  # before the partition is asked: whoever was overtaken is refused here
            _require_kept(connection, row)
            kept = rows.cluster_key(connection, row.uid, key_id)
            if kept is not None and kept.retired_at is not None:  # the cluster comes back to it
                connection.execute(
                    "UPDATE cluster_key SET retired_at = NULL, going = 0 WHERE partition = ? AND key_id = ?",
                    (row.uid, key_id),
                )
                kept = kept._replace(retired_at=None)
            other = connection.execute(
                "SELECT suite, canary FROM cluster_key WHERE key_id = ? AND ready", (key_id,)
            ).fetchone()
        if kept is None:
            with site.connections.fresh(row) as opened:
                opened.find_keys(row.uid)
            suite, proof = other or (row.known_suites[0].value, None)
            kept = ClusterKeyRow(row.uid, key_id, suite, site.now(), 1, 0, None, proof)
            with site.write() as connection:
                connection.execute("INSERT INTO cluster_key VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)
                asking.record(connection)
        return rows.describe_cluster_key(kept, row.name)


def retire_cluster_key(site: Site, caller: Caller, partition: str, key_id: str) -> None:
    """See ``KeepsClusterKeys.retire_cluster_key``."""
    with _asked(site, caller, "RetireHsmKey", partition, key_id) as (asking, row), site.write() as connection:
        if rows.cluster_key(connection, row.uid, key_id) is None:
            raise _unknown(row, key_id)
        connection.execute(
            "UPDATE cluster_key SET retired_at = coalesce(retired_at, ?) WHERE partition = ? AND key_id = ?",
            (site.now(), row.uid, key_id),
        )
        asking.record(connection)


def destroy_cluster_key(site: Site, caller: Caller, partition: str, key_id: str) -> None:
    """See ``KeepsClusterKeys.destroy_cluster_key``. A key that was adopted is another partition's copy, and goes from
    this one alone."""
    with _asked(site, caller, "DestroyHsmKey", partition, key_id) as (asking, row):
        with site.write() as connection:
            kept = rows.cluster_key(connection, row.uid, key_id)
            if kept is None:
                return
            if kept.ready and kept.retired_at is None:
                raise ConflictException(
                    f"The cluster key {key_id} of partition {row.name} is in use: only a retired key is destroyed",
                    suggestion="Rotate or move the cluster; its old key is retired then.",
                )
            connection.execute("UPDATE cluster_key SET going = 1 WHERE partition = ? AND key_id = ?", (row.uid, key_id))
            others = connection.execute(
                "SELECT partition FROM cluster_key"
                " WHERE key_id = ? AND partition != ? AND ready AND retired_at IS NULL",
                (key_id, row.uid),
            ).fetchall()
        with site.connections.use(row) as opened:
            require_marker(opened, row)
            if any(opened.find_keys(other) for (other,) in others):  # by its marker: another name of the same token
                raise ConflictException(
                    f"The cluster key {key_id} is in use under another HSM configuration of the token of {row.name}",
                    suggestion="Nothing was destroyed. It goes when it is retired there, too.",
                )
            opened.destroy(key_id, cluster_label(key_id))
        with site.write() as connection:
            connection.execute("DELETE FROM cluster_key WHERE partition = ? AND key_id = ?", (row.uid, key_id))
            asking.record(connection)


def _require_kept(connection: sqlite3.Connection, row: PartitionRow) -> None:
    """ResourceNotFoundException for a partition that another process let go meanwhile."""
    now = rows.partition_by_uid(connection, row.uid)
    if now is None or now.going:
        raise ResourceNotFoundException(f"The HSM configuration {row.name} was deleted meanwhile")


def _aad(key_id: str, context: Context) -> bytes:
    return encode("reconciler/hsm/data key", 1, key_id, dict(context))


@contextmanager
def _asked(site: Site, caller: Caller, name: str, partition: str, key_id: str) -> Iterator[tuple[Asked, PartitionRow]]:
    with asked(site, caller, name, {"hsmConfiguration": partition, "hsmKey": key_id}) as asking:
        yield asking, require_partition(site, partition)


def _usable(site: Site, caller: Caller, partition: str, key_id: str) -> tuple[PartitionRow, ClusterKeyRow]:
    check_account(site, caller, "redshift:UseHsmKey")
    row = require_partition(site, partition)
    with site.store.read() as connection:
        kept = rows.cluster_key(connection, row.uid, key_id)
    if kept is None or not kept.ready or kept.going:
        raise _unknown(row, key_id)
    return row, kept


def _settled(site: Site, row: PartitionRow, kept: ClusterKeyRow) -> AbstractContextManager[None]:
    return settled(site.connections, row, kept.key_id, kept.canary)


def _prove(site: Site, row: PartitionRow, kept: ClusterKeyRow) -> None:
    """A key that was made before is taken again only if it opens its canary."""
    with _settled(site, row, kept), site.connections.use(row) as opened:
        if kept.canary is None or not canary.opens(opened, kept.key_id, kept.canary):
            raise key_error(row, KeyVerdict(key_id=kept.key_id, fault=HsmFault.KEY_SUBSTITUTED))


def _unknown(row: PartitionRow, key_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"There is no cluster key {key_id} in partition {row.name}")
