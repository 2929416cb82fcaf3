"""A warehouse and a table service that remember only names and digests, and the smallest world to apply a kind in.

They keep the promises of the protocols that a kind's steps rest on (tokens, no-ops, refusals) and hold no data; the
plugins meet the full contract in their own tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, ConflictException
from reconciler.model.address import Address
from reconciler.model.change import Action, Operation, Verdict
from reconciler.model.plan import Finding
from reconciler.model.recorded import Recorded
from reconciler.providers import data
from reconciler.providers.tables import KeyspaceDescription, TableDescription, TableRequest
from reconciler.resources.kind import DiffInput, DriftInput, Observation, ResourceKind, Target
from reconciler.resources.reference import Reference
from reconciler.resources.spec import Spec
from reconciler.testing.fakes import ManualClock, SeededRandom

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
    """Clusters, snapshots and copies of one Region."""

    region: str
    clock: ManualClock
    account: str = ACCOUNT
    clusters: dict[str, data.ClusterDescription] = field(default_factory=dict)
    snapshots: dict[str, data.SnapshotDescription] = field(default_factory=dict)
    grants: dict[str, data.CopyGrantDescription] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

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

    def _new(self, name: str, taken: Mapping[str, object], token: str) -> None:
        if name in taken:
            raise AlreadyExistsException(f"{name} exists")
        self.tokens[token] = name

    def _arn(self, what: str, name: str) -> str:
        return f"arn:aws:redshift:{self.region}:{self.account}:{what}:{name}"

    @staticmethod
    def _key(root: data.Root, tier: str, token: str) -> str | None:
        return None if root == PLAINTEXT else f"{tier}-{token}"


@dataclass
class MemoryTables:
    """Keyspaces and tables of one Region."""

    region: str
    clock: ManualClock
    account: str = ACCOUNT
    keyspaces: dict[str, KeyspaceDescription] = field(default_factory=dict)
    tables: dict[tuple[str, str], TableDescription] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def create_keyspace(self, caller: Caller, name: str, *, replication: str, token: str) -> KeyspaceDescription:
        if token not in self.tokens:
            if name in self.keyspaces:
                raise AlreadyExistsException(f"{name} exists")
            self.tokens[token] = (name, "")
            arn = f"arn:aws:cassandra:{self.region}:{self.account}:/keyspace/{name}/"
            self.keyspaces[name] = KeyspaceDescription(name=name, arn=arn, replication=replication)
        return self.keyspaces[name]

    def describe_keyspaces(self, caller: Caller, names: Collection[str] | None = None) -> list[KeyspaceDescription]:
        return [found for name, found in sorted(self.keyspaces.items()) if names is None or name in names]

    def delete_keyspace(self, caller: Caller, name: str) -> None:
        if any(keyspace == name for keyspace, _ in self.tables):
            raise ConflictException(f"keyspace {name} is not empty")
        self.keyspaces.pop(name, None)

    def create_table(self, caller: Caller, request: TableRequest, *, token: str) -> TableDescription:
        place = (request.keyspace, request.name)
        if token not in self.tokens:
            if place in self.tables:
                raise AlreadyExistsException(f"{place} exists")
            self.tokens[token] = place
            self.tables[place] = TableDescription(
                keyspace=request.keyspace,
                name=request.name,
                arn=f"{self.keyspaces[request.keyspace].arn}table/{request.name}",
                uid=f"uid-{token}",
                status="ACTIVE",
                schema=request.schema,
                key_arn=request.key_arn,
                table_key_id=f"table-key-{token}",
                grant_id=None,
                rows=0,
                bytes=0,
                created_at=self.clock.now(),
            )
        return self.tables[place]

    def find_table(self, caller: Caller, *, token: str) -> TableDescription | None:
        return self.tables.get(self.tokens.get(token, ("", "")))

    def describe_tables(
        self, caller: Caller, names: Collection[tuple[str, str]] | None = None
    ) -> list[TableDescription]:
        return [found for place, found in sorted(self.tables.items()) if names is None or place in names]

    def update_table_encryption(
        self, caller: Caller, keyspace: str, table: str, key_arn: str | None, *, token: str
    ) -> TableDescription:
        found = self.tables[keyspace, table]
        if found.key_arn != key_arn or found.status != "ACTIVE":
            self.calls.append(f"update_table_encryption {key_arn}")
            self.tables[keyspace, table] = replace(found, key_arn=key_arn, status="ACTIVE")
        return self.tables[keyspace, table]

    def delete_table(self, caller: Caller, keyspace: str, table: str) -> None:
        self.tables.pop((keyspace, table), None)


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class World:
    """Services, state rows and a planner for one resource at a time: ``apply`` then ``plan`` must come to nothing."""

    project: Path
    clock: ManualClock = field(default_factory=ManualClock)
    random: SeededRandom = field(default_factory=SeededRandom)
    rows: dict[Address, Recorded] = field(default_factory=dict)
    providers: dict[str, object] = field(default_factory=dict)
    declared: dict[Address, Spec] = field(default_factory=dict)
    arriving: tuple[Address, ...] = ()
    token: str = ""
    steps_run: int = 0

    def __post_init__(self) -> None:
        self.eu = MemoryWarehouse("eu-west-1", self.clock)
        self.us = MemoryWarehouse("us-east-1", self.clock)
        self.tables = MemoryTables("eu-west-1", self.clock)
        self.providers |= {"eu": self.eu, "us": self.us, "tables": self.tables}

    def provider(self, name: str) -> object:
        return self.providers[name]

    def principal(self, name: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/platform"

    def attributes(self, address: Address) -> Mapping[str, Any]:
        return self.rows[address].attributes

    def key_uses(self, key_arn: str, grant_id: str | None = None) -> Sequence[str]:
        return ()

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        pass

    def record(self, address: str, **attributes: Any) -> Address:
        """A resource that exists: its row in the state."""
        made = Address(address)
        self.rows[made] = Recorded(address=made, uid=address, provider="eu", attributes=attributes)
        return made

    def key(self, name: str) -> str:
        """A Key that exists; its ARN."""
        arn = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{name}"
        self.record(f"Key/{name}", id=name, arn=arn)
        return arn

    def partition(self, name: str) -> str:
        """An HsmPartition that exists; its ARN."""
        arn = f"arn:aws:redshift:eu-west-1:{ACCOUNT}:hsmconfiguration:{name}"
        self.record(f"HsmPartition/{name}", id=arn, arn=arn, name=name)
        return arn

    def observe(self, kind: ResourceKind[Any, Any], address: Address) -> Observation | None:
        """What the kind sees of one recorded resource."""
        row = self.rows.get(address)
        if row is None:
            return None
        target = Target(address=address, provider=row.provider, attributes=row.attributes)
        seen: Observation | None = kind.observe([target], self).get(address)
        return seen

    def given(self, kind: ResourceKind[Any, Any], name: str, desired: Spec | None, **more: Any) -> DiffInput[Any, Any]:
        """What the kind's diff is given."""
        address = Address.of(kind.name, name)
        row = self.rows.get(address)
        last = None if row is None or row.spec is None else kind.spec.model_validate_json(row.spec)
        provider = desired.provider if desired is not None else "" if row is None else row.provider
        named = desired.external_name if desired is not None and desired.external_name is not None else name
        return DiffInput(
            address=address,
            name=named,
            provider=provider,
            desired=desired,
            recorded=row,
            observed=self.observe(kind, address),
            now=self.clock.now(),
            resolve=self._resolve,
            last_spec=last,
            declared=lambda reference: self.declared.get(reference.address) if reference.address else None,
            arriving=lambda reference: self.arriving,
            **more,
        )

    def _resolve(self, reference: Reference) -> Mapping[str, Any] | None:
        address = reference.address
        if address is None:
            return {"id": reference.arn, "arn": reference.arn}
        return self.rows[address].attributes if address in self.rows else None

    def plan(self, kind: ResourceKind[Any, Any], name: str, desired: Spec | None, **more: Any) -> Verdict:
        """The verdict on one resource."""
        return kind.diff(self.given(kind, name, desired, **more))

    def apply(self, kind: ResourceKind[Any, Any], name: str, desired: Spec | None, *, times: int = 2) -> Verdict:
        """Carry a verdict out, each step ``times`` times over with its one token (I11), and settle the row."""
        verdict = self.plan(kind, name, desired)
        assert not verdict.blocked, verdict.blocked
        address = Address.of(kind.name, name)
        self.carry_out(address, desired, verdict.operations, times=times)
        if desired is not None and verdict.action is not Action.NOOP:
            seen = self.observe(kind, address)
            self.rows[address] = replace(
                self.rows[address],
                spec=desired.canonical_json(),
                observed=None if seen is None else seen.model_dump_json(),
            )
        return verdict

    def carry_out(
        self, address: Address, desired: Spec | None, operations: Iterable[Operation], *, times: int = 1
    ) -> None:
        """Run operations' steps, recording after each what it leaves."""
        for operation in operations:
            for step in operation.steps:
                self.steps_run += 1
                self.token = f"token-{self.steps_run}"
                outcomes = [step.run(self) for _ in range(times)]
                assert all(outcome == outcomes[0] for outcome in outcomes)
                outcome, row = outcomes[-1], self.rows.get(address)
                if outcome.gone:
                    self.rows.pop(address, None)
                    continue
                if row is None:
                    provider = "" if desired is None else desired.provider
                    row = Recorded(address=address, uid=f"row-{self.steps_run}", provider=provider)
                attributes = {**row.attributes, **outcome.attributes}
                kept = {name: value for name, value in attributes.items() if value is not None}
                self.rows[address] = replace(row, attributes=kept)

    def drift(self, kind: ResourceKind[Any, Any], name: str) -> Sequence[Finding]:
        """What moved since the last apply."""
        address = Address.of(kind.name, name)
        row = self.rows[address]
        return kind.drift(
            DriftInput(
                address=address,
                recorded=row,
                spec=None if row.spec is None else kind.spec.model_validate_json(row.spec),
                expected=None if row.observed is None else kind.observation.model_validate_json(row.observed),
                observed=self.observe(kind, address),
                now=self.clock.now(),
            )
        )


def shape(verdict: Verdict) -> list[str]:
    """A verdict in short: ``verb: step step``, or ``blocked: guard``."""
    operations = [f"{one.verb}: {' '.join(step.id for step in one.steps)}" for one in verdict.operations]
    return operations + [f"blocked: {block.guard}" for block in verdict.blocked]
