"""Rows of the store, read and described. What each column says stands in ``store``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any, NamedTuple

from reconciler.providers.hsm import (
    ClientCertificateDescription,
    ClusterKeyDescription,
    PartitionDescription,
    PartitionRequest,
    Suite,
    Verification,
)
from reconciler.providers.secret_source import SecretSource
from reconciler_pkcs11.names import Names
from reconciler_pkcs11.times import moment


class PartitionRow(NamedTuple):
    """One row of ``partition``."""

    uid: str
    name: str
    token: str
    created_at: int
    ready: int
    going: int
    pin_from: str
    token_label: str | None
    slot: int | None
    address: str | None
    server_certificate: str | None
    client_certificate: str | None
    module: str | None
    allow_unenforced: int
    verify: str
    suites: str = "[]"
    enforced: int = 0
    serial: str = ""
    canary: bytes | None = None
    lost: str | None = None

    @property
    def place(self) -> str:
        """Which partition it is, in words, however its PIN is had: what a refused PIN is remembered for."""
        token = f"slot {self.slot}" if self.token_label is None else self.token_label
        return f"{token} at {self.address}" if self.address else f"{token} of {self.module or 'no module'}"

    @property
    def source(self) -> SecretSource:
        """Where its PIN is had."""
        return SecretSource.model_validate_json(self.pin_from)

    @property
    def known_suites(self) -> tuple[Suite, ...]:
        """Those that passed at its adoption, best first."""
        return tuple(Suite(each) for each in json.loads(self.suites))


class ClusterKeyRow(NamedTuple):
    """One row of ``cluster_key``."""

    partition: str
    key_id: str
    suite: str
    created_at: int
    ready: int
    going: int
    retired_at: int | None
    canary: bytes | None


class KeyRow(NamedTuple):
    """One row of ``key``."""

    key_id: str
    token: str
    partition: str
    description: str
    tags: str
    created_at: int
    ready: int
    switching: str | None
    newest: int
    rotation_days: int | None
    rotation_at: int | None
    deletion_at: int | None
    destroyed_at: int | None
    seen: str

    def is_gone(self, now: int) -> bool:
        """Whether it was destroyed, or its waiting time is over."""
        return self.destroyed_at is not None or (self.deletion_at is not None and self.deletion_at <= now)


class VersionRow(NamedTuple):
    """One row of ``key_version``."""

    key_id: str
    number: int
    object_id: str
    suite: str
    created_at: int
    token: str | None
    ready: int
    canary: bytes | None
    going: int = 0


class CertificateRow(NamedTuple):
    """One row of ``client_certificate``."""

    name: str
    token: str
    common_name: str
    pem: str
    fingerprint: str
    not_before: int
    not_after: int
    sealed_key: bytes


def _columns(row: type[Any]) -> str:
    return ", ".join(row._fields)


PARTITION = f"SELECT {_columns(PartitionRow)} FROM partition"  # noqa: S608 - names of our own schema
CLUSTER_KEY = f"SELECT {_columns(ClusterKeyRow)} FROM cluster_key"  # noqa: S608 - names of our own schema
KEY = f"SELECT {_columns(KeyRow)} FROM key"  # noqa: S608 - names of our own schema
VERSION = f"SELECT {_columns(VersionRow)} FROM key_version"  # noqa: S608 - names of our own schema
CERTIFICATE = f"SELECT {_columns(CertificateRow)} FROM client_certificate"  # noqa: S608 - names of our own schema


def row_of(request: PartitionRequest, *, uid: str, token: str, now: int, module: str | None) -> PartitionRow:
    """The configuration as it is kept, not adopted yet."""
    return PartitionRow(
        uid=uid,
        name=request.name,
        token=token,
        created_at=now,
        ready=0,
        going=0,
        pin_from=request.pin_from.model_dump_json(exclude_none=True),
        token_label=request.token_label,
        slot=request.slot,
        address=request.address,
        server_certificate=request.server_certificate,
        client_certificate=request.client_certificate,
        module=None if request.address else module,
        allow_unenforced=int(request.allow_unenforced),
        verify=request.verify.value,
    )


def put_partition(connection: sqlite3.Connection, row: PartitionRow) -> None:
    """Write the row, new or changed."""
    marks = ", ".join("?" * len(row))
    changed = ", ".join(f"{name} = excluded.{name}" for name in PartitionRow._fields[1:])
    connection.execute(
        f"INSERT INTO partition ({_columns(PartitionRow)}) VALUES ({marks})"  # noqa: S608 - names of our own schema
        f" ON CONFLICT (uid) DO UPDATE SET {changed}",
        row,
    )


def partition_by_name(connection: sqlite3.Connection | None, name: str) -> PartitionRow | None:
    """The partition of that name, adopted or not."""
    return _partition(connection, "name", name)


def partition_by_uid(connection: sqlite3.Connection | None, uid: str) -> PartitionRow | None:
    """The partition of that uid, adopted or not."""
    return _partition(connection, "uid", uid)


def partition_by_token(connection: sqlite3.Connection | None, token: str) -> PartitionRow | None:
    """The partition that was configured for that token, adopted or not."""
    return _partition(connection, "token", token)


def partitions(connection: sqlite3.Connection | None, names: Collection[str] | None = None) -> list[PartitionRow]:
    """Those that were adopted and are not being let go, ordered by name."""
    if connection is None:
        return []
    found = connection.execute(f"{PARTITION} WHERE ready AND NOT going ORDER BY name")
    return [row for row in map(PartitionRow._make, found) if names is None or row.name in names]


def cluster_key(connection: sqlite3.Connection | None, uid: str, key_id: str) -> ClusterKeyRow | None:
    """That cluster key of that partition, made or to be made."""
    if connection is None:
        return None
    found = connection.execute(f"{CLUSTER_KEY} WHERE partition = ? AND key_id = ?", (uid, key_id)).fetchone()
    return None if found is None else ClusterKeyRow._make(found)


def key_by_id(connection: sqlite3.Connection | None, key_id: str) -> KeyRow | None:
    """The ``Key`` of that id, made or to be made."""
    if connection is None:
        return None
    found = connection.execute(f"{KEY} WHERE key_id = ?", (key_id,)).fetchone()
    return None if found is None else KeyRow._make(found)


def versions(connection: sqlite3.Connection, key_id: str) -> list[VersionRow]:
    """All versions of a ``Key``, oldest first, made or to be made."""
    found = connection.execute(f"{VERSION} WHERE key_id = ? ORDER BY number", (key_id,))
    return [VersionRow._make(row) for row in found]


def certificate_by_name(connection: sqlite3.Connection | None, name: str) -> CertificateRow | None:
    """The client certificate of that name."""
    if connection is None:
        return None
    found = connection.execute(f"{CERTIFICATE} WHERE name = ?", (name,)).fetchone()
    return None if found is None else CertificateRow._make(found)


def describe_partition(row: PartitionRow, names: Names) -> PartitionDescription:
    """As its configuration says, without asking the HSM."""
    server = None
    if row.server_certificate is not None:
        from reconciler_pkcs11.certificates import read_certificate

        server = read_certificate(row.server_certificate, f"server certificate of partition {row.name}")
    return PartitionDescription(
        name=row.name,
        arn=names.partition_arn(row.name),
        uid=row.uid,
        created_at=moment(row.created_at),
        pin_from=row.source,
        suites=row.known_suites,
        enforced=bool(row.enforced),
        allow_unenforced=bool(row.allow_unenforced),
        verify=Verification(row.verify),
        token_label=row.token_label,
        slot=row.slot,
        address=row.address,
        server_certificate=row.server_certificate,
        server_fingerprint=None if server is None else server.fingerprint,
        server_not_after=None if server is None else server.not_after,
        client_certificate=row.client_certificate,
        module=row.module,
        serial=row.serial,
    )


def describe_cluster_key(row: ClusterKeyRow, partition: str) -> ClusterKeyDescription:
    """A cluster key of the partition of that name."""
    return ClusterKeyDescription(
        key_id=row.key_id,
        partition=partition,
        suite=Suite(row.suite),
        created_at=moment(row.created_at),
        retired_at=None if row.retired_at is None else moment(row.retired_at),
    )


def describe_certificate(row: CertificateRow, names: Names, used_by: tuple[str, ...]) -> ClientCertificateDescription:
    """A client certificate, without its private key."""
    return ClientCertificateDescription(
        name=row.name,
        arn=names.certificate_arn(row.name),
        common_name=row.common_name,
        pem=row.pem,
        fingerprint=row.fingerprint,
        not_before=moment(row.not_before),
        not_after=moment(row.not_after),
        used_by=used_by,
    )


def _partition(connection: sqlite3.Connection | None, column: str, value: str) -> PartitionRow | None:
    if connection is None:
        return None
    found = connection.execute(f"{PARTITION} WHERE {column} = ?", (value,)).fetchone()
    return None if found is None else PartitionRow._make(found)
