"""A warehouse that remembers only names and digests.

It keeps the promises of the protocols that a kind's steps rest on (tokens, no-ops, refusals) and holds no data; the
plugin meets the full contract in its own tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, ConflictException
from reconciler.providers import data
from reconciler.providers.warehouse import (
    ChangeEstimate,
    ChangeProgress,
    ClusterEvent,
    DataShareDescription,
    SnapshotSchedule,
)
from reconciler.testing.fakes import ManualClock

ACCOUNT = "111122223333"
OWNED = data.Root(kind=data.RootKind.OWNED)
PLAINTEXT = data.Root(kind=data.RootKind.NONE)


def hsm(arn: str) -> data.Root:
    """A root in a partition of an HSM."""
    return data.Root(kind=data.RootKind.HSM, partition=arn)


def kms(arn: str) -> data.Root:
    """A root under a customer-managed key."""
    return data.Root(kind=data.RootKind.KMS, key_arn=arn)


@dataclass
class MemoryWarehouse:
    """Clusters, snapshots, copies and shares of one Region. ``measured`` is how many bytes a second were written again
    here so far, ``under_way`` the verb of each cluster's unfinished change."""

    region: str
    clock: ManualClock
    account: str = ACCOUNT
    clusters: dict[str, data.ClusterDescription] = field(default_factory=dict)
    snapshots: dict[str, data.SnapshotDescription] = field(default_factory=dict)
    grants: dict[str, data.CopyGrantDescription] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    shares: dict[str, DataShareDescription] = field(default_factory=dict)
    told: list[ClusterEvent] = field(default_factory=list)
    under_way: dict[str, str] = field(default_factory=dict)
    measured: float | None = None

    def create_cluster(self, caller: Caller, request: data.ClusterRequest, *, token: str) -> data.ClusterDescription:
        if token not in self.tokens:
            self._new(request.name, self.clusters, token)
            self.clusters[request.name] = data.ClusterDescription(
                name=request.name,
                arn=self._arn("cluster", request.name),
                uid=f"uid-{token}",
                status="available",
                node_type=request.node_type,
                nodes=request.nodes,
                database=request.database,
                created_at=self.clock.now(),
                root=request.root,
                cek_id=self._key(request.root, "cek", token),
                dek_id=self._key(request.root, "dek", token),
                grant_id=None,
                rotated_at=None if request.root == PLAINTEXT else self.clock.now(),
                tables=(),
            )
        return self.clusters[self.tokens[token]]

    def takes_hsm_root(self, node_type: str) -> bool:
        return not node_type.startswith("dc2.")

    def find_cluster(self, caller: Caller, *, token: str) -> data.ClusterDescription | None:
        return self.clusters.get(self.tokens.get(token, ""))

    def describe_clusters(self, caller: Caller, names: Collection[str] | None = None) -> list[data.ClusterDescription]:
        self.calls.append("describe_clusters" if names is not None else "describe_clusters(all)")
        return [found for name, found in sorted(self.clusters.items()) if names is None or name in names]

    def resize_cluster(self, caller: Caller, name: str, *, node_type: str, nodes: int) -> None:
        self.clusters[name] = replace(self.clusters[name], node_type=node_type, nodes=nodes)

    def modify_encryption(
        self, caller: Caller, name: str, root: data.Root, *, progress: data.Progress, token: str
    ) -> data.ClusterDescription:
        found = self.clusters[name]
        if found.root != root or found.status != "available":
            self.calls.append(f"modify_encryption {root.kind}")
            is_rewrap = found.encrypted and root != PLAINTEXT
            self.clusters[name] = replace(
                found,
                root=root,
                status="available",
                cek_id=self._key(root, "cek", token),
                dek_id=found.dek_id if is_rewrap else self._key(root, "dek", token),
                rotated_at=None if root == PLAINTEXT else self.clock.now(),
            )
        return self.clusters[name]

    def rotate_encryption_key(
        self, caller: Caller, name: str, *, progress: data.Progress, token: str
    ) -> data.ClusterDescription:
        if token not in self.tokens:
            self.tokens[token] = name
            self.calls.append("rotate_encryption_key")
            self.clusters[name] = replace(
                self.clusters[name],
                status="available",
                cek_id=f"cek-{token}",
                dek_id=f"dek-{token}",
                rotated_at=self.clock.now(),
            )
        return self.clusters[name]

    def delete_cluster(self, caller: Caller, name: str) -> None:
        self.clusters.pop(name, None)

    def load_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        backup: bool,
        progress: data.Progress,
        token: str,
        digests: Sequence[str] = (),
    ) -> data.LoadedTable:
        found = self.clusters[name]
        before = next((one for one in found.tables if one.name == table), None)
        loads = list(() if before is None else before.loads)
        loads += [digest for digest in map(digest_of, files) if digest not in loads]
        return self._put(name, table, loads, backup=backup)

    def replace_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        progress: data.Progress,
        token: str,
        digests: Sequence[str] = (),
    ) -> data.LoadedTable:
        return self._put(name, table, [digest_of(path) for path in files], backup=True)

    def _put(self, name: str, table: str, loads: list[str], *, backup: bool) -> data.LoadedTable:
        found = self.clusters[name]
        made = data.LoadedTable(
            name=table, rows=10 * len(loads), bytes=1000 * len(loads), backup=backup, loads=tuple(loads)
        )
        self.clusters[name] = replace(found, tables=(*(one for one in found.tables if one.name != table), made))
        return made

    def create_snapshot(
        self, caller: Caller, cluster: str, name: str, *, retention_days: int | None, token: str
    ) -> data.SnapshotDescription:
        if token not in self.tokens:
            self._new(name, self.snapshots, token)
            of = self.clusters[cluster]
            expires = None if retention_days is None else self.clock.now() + timedelta(days=retention_days)
            self.snapshots[name] = data.SnapshotDescription(
                name=name,
                arn=self._arn("snapshot", f"{cluster}/{name}"),
                uid=f"uid-{token}",
                cluster=cluster,
                cluster_uid=of.uid,
                kind="manual",
                status="available",
                created_at=self.clock.now(),
                root=of.root,
                bytes=sum(table.bytes for table in of.tables),
                expires_at=expires,
            )
        return self.snapshots[self.tokens[token]]

    def describe_snapshots(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[data.SnapshotDescription]:
        self.calls.append("describe_snapshots" if names is not None else "describe_snapshots(all)")
        return [found for name, found in sorted(self.snapshots.items()) if names is None or name in names]

    def delete_snapshot(self, caller: Caller, name: str) -> None:
        self.snapshots.pop(name, None)

    def create_snapshot_copy_grant(
        self, caller: Caller, name: str, root: data.Root, *, token: str
    ) -> data.CopyGrantDescription:
        if token not in self.tokens:
            self._new(name, self.grants, token)
            self.grants[name] = data.CopyGrantDescription(
                name=name, arn=self._arn("snapshotcopygrant", name), root=root, grant_id=f"grant-{token}"
            )
        return self.grants[name]

    def describe_snapshot_copy_grants(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[data.CopyGrantDescription]:
        return [found for name, found in sorted(self.grants.items()) if names is None or name in names]

    def delete_snapshot_copy_grant(self, caller: Caller, name: str) -> None:
        if name in self.grants and self.grants[name].copying:
            raise ConflictException(f"a cluster copies through {name}")
        self.grants.pop(name, None)

    def enable_snapshot_copy(
        self,
        caller: Caller,
        cluster: str,
        destination: data.WarehouseProvider,
        *,
        grant: str | None,
        retention_days: int,
    ) -> None:
        found = self.clusters[cluster]
        if found.copy is not None:
            raise ConflictException("copying is on")
        self.calls.append("enable_snapshot_copy")
        status = data.CopyStatus(region=destination.region, grant_name=grant, retention_days=retention_days)
        self.clusters[cluster] = replace(found, copy=status)
        self._note(destination, grant, (found.arn,))

    def disable_snapshot_copy(self, caller: Caller, cluster: str) -> None:
        self.calls.append("disable_snapshot_copy")
        self.clusters[cluster] = replace(self.clusters[cluster], copy=None)

    @staticmethod
    def _note(destination: object, grant: str | None, copying: tuple[str, ...]) -> None:
        if isinstance(destination, MemoryWarehouse) and grant is not None:
            destination.grants[grant] = replace(destination.grants[grant], copying=copying)

    def copy_snapshot(
        self,
        caller: Caller,
        snapshot: str,
        destination: data.WarehouseProvider,
        *,
        progress: data.Progress,
        token: str,
    ) -> data.SnapshotDescription:
        assert isinstance(destination, MemoryWarehouse)
        source = self.snapshots[snapshot]
        self.calls.append(f"copy_snapshot {snapshot}")
        copy = self.clusters[source.cluster].copy
        assert copy is not None
        destination.snapshots[f"copy-{snapshot}"] = replace(
            source,
            name=f"copy-{snapshot}",
            uid=f"uid-{token}",
            source_region=self.region,
            source_arn=source.arn,
            expires_at=self.clock.now() + timedelta(days=copy.retention_days),
        )
        return destination.snapshots[f"copy-{snapshot}"]

    # --- what it can do beyond WarehouseProvider ----------------------------------------------------------------------

    def set_snapshot_schedule(self, caller: Caller, name: str, schedule: SnapshotSchedule | None) -> None:
        self.calls.append("set_snapshot_schedule")
        self.clusters[name] = replace(self.clusters[name], schedule=schedule)

    def set_escrow(self, caller: Caller, name: str, key_arn: str | None, *, token: str) -> None:
        self.calls.append(f"set_escrow {key_arn}")
        self.clusters[name] = replace(self.clusters[name], escrow_arn=key_arn)

    def re_encrypt(self, caller: Caller, name: str, *, progress: data.Progress, token: str) -> data.ClusterDescription:
        if token not in self.tokens:
            self.calls.append("re_encrypt")
        self.under_way.pop(name, None)
        return self.rotate_encryption_key(caller, name, progress=progress, token=token)

    def switch_root_alone(
        self, caller: Caller, name: str, root: data.Root, *, progress: data.Progress, token: str
    ) -> data.ClusterDescription:
        self.calls.append("switch_root_alone")
        return self.modify_encryption(caller, name, root, progress=progress, token=token)

    def restore_cluster(
        self, caller: Caller, request: data.ClusterRequest, snapshot: str, *, progress: data.Progress, token: str
    ) -> data.ClusterDescription:
        if token not in self.tokens:
            source = self.snapshots[snapshot]
            made = self.create_cluster(caller, request, token=token)
            table = data.LoadedTable(name="restored", rows=1, bytes=source.bytes, backup=True, loads=())
            self.clusters[request.name] = replace(made, tables=(table,))
        return self.clusters[self.tokens[token]]

    def restore_table(
        self,
        caller: Caller,
        cluster: str,
        snapshot: str,
        table: str,
        new_name: str,
        *,
        progress: data.Progress,
        token: str,
    ) -> data.LoadedTable:
        return self._put(cluster, new_name, [], backup=True)

    def estimate_change(self, name: str) -> ChangeEstimate | None:
        if name not in self.clusters:
            return None
        size = sum(table.bytes for table in self.clusters[name].tables)
        seconds = None if self.measured is None else size / self.measured
        return ChangeEstimate(bytes=size, segments=len(self.clusters[name].tables), seconds=seconds)

    def change_progress(self, name: str) -> ChangeProgress | None:
        if name not in self.under_way:
            return None
        return ChangeProgress(
            verb=self.under_way[name],
            token="begun",
            begun_at=self.clock.now(),
            bytes_done=500,
            bytes_total=2000,
            segments_done=1,
            segments_total=4,
            bytes_per_second=250.0,
            seconds_left=6.0,
        )

    def events(self, name: str, *, limit: int = 20) -> list[ClusterEvent]:
        return [one for one in reversed(self.told) if one.cluster == name][:limit]

    def create_data_share(
        self, caller: Caller, name: str, *, producer: str, consumer: str, tables: Sequence[str], token: str
    ) -> DataShareDescription:
        if token not in self.tokens:
            self._new(name, self.shares, token)
            self.shares[name] = DataShareDescription(
                name=name,
                arn=self._arn("datashare", f"{self.clusters[producer].uid}/{name}"),
                uid=f"uid-{token}",
                producer=producer,
                consumer=consumer,
                tables=tuple(tables),
                status="ACTIVE",
                created_at=self.clock.now(),
            )
        return self.shares[self.tokens[token]]

    def alter_data_share(self, caller: Caller, name: str, *, tables: Sequence[str]) -> DataShareDescription:
        self.shares[name] = replace(self.shares[name], tables=tuple(tables))
        return self.shares[name]

    def describe_data_shares(self, caller: Caller, names: Collection[str] | None = None) -> list[DataShareDescription]:
        return [found for name, found in sorted(self.shares.items()) if names is None or name in names]

    def delete_data_share(self, caller: Caller, name: str) -> None:
        self.shares.pop(name, None)

    def _new(self, name: str, taken: Mapping[str, object], token: str) -> None:
        if name in taken:
            raise AlreadyExistsException(f"{name} exists")
        self.tokens[token] = name

    def _arn(self, what: str, name: str) -> str:
        return f"arn:aws:redshift:{self.region}:{self.account}:{what}:{name}"

    @staticmethod
    def _key(root: data.Root, tier: str, token: str) -> str | None:
        return None if root == PLAINTEXT else f"{tier}-{token}"


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
