"""How a cluster is changed. What happens inside a call (CEK, DEK, segments) is the warehouse's (DESIGN 3); each call
repeats safely, given the step's token (I11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.errors import (
    ConflictException,
    HsmError,
    InvalidClusterStateFault,
    ReconcilerError,
    ResourceNotFoundException,
)
from reconciler.model.address import Address
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.data import (
    ClusterDescription,
    ClusterRequest,
    LoadedTable,
    Root,
    RootKind,
    WarehouseProvider,
)
from reconciler.providers.typed import leaving_snapshots, renaming_clusters, replacing_tables, warehouse_provider
from reconciler.providers.warehouse import EstimatesChanges
from reconciler.resources.cluster.hsm_root import check_root, failure, incompatible, not_made, of_partition
from reconciler.resources.cluster.root import WantedRoot, attributes_of, reencrypted_under
from reconciler.resources.cluster.status import AVAILABLE, INCOMPATIBLE
from reconciler.resources.key_calls import KeyCall, root_calls
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference, name_of


@dataclass(frozen=True, kw_only=True)
class ClusterStep(ResourceStep):
    """A call about one cluster of one warehouse."""

    def warehouse(self, services: StepServices) -> WarehouseProvider:
        """Where it lives."""
        return warehouse_provider(services, self.provider)

    def name(self, services: StepServices) -> str:
        """The cluster's name there."""
        return name_of(services.attributes(self.address))

    def described(self, services: StepServices) -> ClusterDescription | None:
        """The cluster as it is now, None when it is gone."""
        found = self.warehouse(services).describe_clusters(self.caller(services), [self.name(services)])
        return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class CreateCluster(ClusterStep):
    """A new cluster with its hierarchy of keys (RE4–RE6). Records the rotation trigger without rotating, and that every
    key is as new as ``reencrypt`` asks for."""

    cluster: str
    node_type: str
    nodes: int
    database: str
    root: WantedRoot
    trigger: str | None = None
    reencrypt: bool = False

    def check(self, services: Services) -> None:
        check_root(services, self.provider, self.root, self.node_type)

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        return root_calls(services, self.provider, self.root.key, "cluster", self.cluster)

    def launched(self, made: ClusterDescription) -> dict[str, str | None]:
        """What the state records of it."""
        known = {"reencrypted": reencrypted_under(made.root, self.trigger)} if self.reencrypt else {}
        return {**identity_of(made), "trigger": self.trigger, **known}

    def request(self, services: StepServices) -> ClusterRequest:
        """The cluster that its warehouse is asked for."""
        return ClusterRequest(
            name=self.cluster,
            node_type=self.node_type,
            nodes=self.nodes,
            database=self.database,
            root=root_in(services, self.root),
        )

    def run(self, services: StepServices) -> Outcome:
        request = self.request(services)
        try:
            made = self.warehouse(services).create_cluster(self.caller(services), request, token=services.token)
        except HsmError as error:
            left = incompatible(self.warehouse(services), self.caller(services), self.cluster)
            if left is None:
                raise of_partition(error, self.root) from error
            return Outcome(attributes={**identity_of(left), INCOMPATIBLE: failure(error, self.root)})
        return Outcome(attributes=self.launched(made))


@dataclass(frozen=True, kw_only=True)
class RenameCluster(ClusterStep):
    """Another name: keys wrapped for the new encryption context, data untouched (RE5, SC3). Only the cluster that it
    was planned on (I12), whatever it is called by now."""

    old: str
    new: str
    uid: str

    def check(self, services: Services) -> None:
        renaming_clusters(services, self.provider)

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        key = services.attributes(self.address).get("key_arn")
        root = None if key is None else Reference("Key", None, str(key))
        return root_calls(services, self.provider, root, "cluster", self.new)

    def run(self, services: StepServices) -> Outcome:
        there = self.warehouse(services).describe_clusters(self.caller(services))
        found = next((one for one in there if one.uid == self.uid), None)
        if found is None:
            raise ResourceNotFoundException(f"{self.address} is gone; nothing was renamed", address=self.address)
        if found.name != self.new or found.status != AVAILABLE:
            found = renaming_clusters(services, self.provider).rename_cluster(
                self.caller(services), found.name, self.new, token=services.token
            )
        return Outcome(attributes={"id": found.arn, "arn": found.arn, "name": found.name})


@dataclass(frozen=True, kw_only=True)
class ResizeCluster(ClusterStep):
    """Other nodes. Goes before a change of encryption, never during (RE9)."""

    node_type: str
    nodes: int

    def run(self, services: StepServices) -> Outcome:
        self.warehouse(services).resize_cluster(
            self.caller(services), self.name(services), node_type=self.node_type, nodes=self.nodes
        )
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class ModifyEncryption(ClusterStep):
    """Another root, in place (RE2). Ends only when it is complete; taken up again it goes on where it was.

    ``trigger`` is recorded where the change makes every key anew, so that the same words do not rotate once more, and
    so is ``reencrypt``. ``alone``: its snapshots stay under the root that they are under."""

    root: WantedRoot
    trigger: str | None = None
    node_type: str = ""
    reencrypt: bool = False
    alone: bool = False

    def check(self, services: Services) -> None:
        check_root(services, self.provider, self.root, self.node_type)
        if self.alone:
            leaving_snapshots(services, self.provider)

    def key_calls(self, services: Services) -> Sequence[KeyCall]:
        name = name_of(services.attributes(self.address))
        return root_calls(services, self.provider, self.root.key, "cluster", name)

    def run(self, services: StepServices) -> Outcome:
        root = root_in(services, self.root)
        try:
            changed = self._changed(services, root)
        except HsmError as error:
            raise of_partition(error, self.root) from error
        return Outcome(attributes=self.left(changed.root))

    def seconds(self, services: Services) -> float | None:
        return measured_seconds(services, self.provider, self.address)

    def _changed(self, services: StepServices, root: Root) -> ClusterDescription:
        if self.alone:
            return leaving_snapshots(services, self.provider).switch_root_alone(
                self.caller(services), self.name(services), root, progress=services.progress, token=services.token
            )
        return self.warehouse(services).modify_encryption(
            self.caller(services), self.name(services), root, progress=services.progress, token=services.token
        )

    def left(self, root: Root) -> dict[str, Any]:
        """What the state records of a cluster that is under that root now."""
        return changed_attributes(root, self.trigger, reencrypt=self.reencrypt, alone=self.alone)


@dataclass(frozen=True, kw_only=True)
class VerifyRoot(ClusterStep):
    """Reads back that the cluster is under the root that was asked for, and works (I10)."""

    root: WantedRoot

    def run(self, services: StepServices) -> Outcome:
        found = self.described(services)
        if found is not None and found.status == INCOMPATIBLE:
            raise not_made(self.address, services.attributes(self.address).get(INCOMPATIBLE) or {})
        wanted = root_in(services, self.root)
        if found is None or found.root != wanted or found.status != AVAILABLE:
            state = "gone" if found is None else f"{found.status}, under {_called(found.root)}"
            raise InvalidClusterStateFault(
                f"{self.address} is {state} after its change of root, not available under {_called(wanted)}",
                address=self.address,
                suggestion="Apply again: an unfinished change is taken up where it stopped.",
            )
        return Outcome(attributes=attributes_of(wanted))


@dataclass(frozen=True, kw_only=True)
class RotateKeys(ClusterStep):
    """A new CEK for the cluster and its snapshots, a new DEK for the cluster (RO1). Carries the DEK that it was planned
    on: once past it, and available, there is nothing left to rotate."""

    from_dek: str | None
    trigger: str | None

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """Killed half-way the cluster has another DEK already: it is the same rotation all the same (I11)."""
        return bool(begun["trigger"] == now["trigger"])

    def run(self, services: StepServices) -> Outcome:
        found = self.described(services)
        if found is None or found.dek_id == self.from_dek or found.status != AVAILABLE:
            self.warehouse(services).rotate_encryption_key(
                self.caller(services), self.name(services), progress=services.progress, token=services.token
            )
        return Outcome(attributes={} if self.trigger is None else {"trigger": self.trigger})


@dataclass(frozen=True, kw_only=True)
class LoadTable(ClusterStep):
    """Files into a table, each content once. ``files`` are (path below the project, SHA-256 in hex)."""

    table: str
    files: tuple[tuple[str, str], ...]
    backup: bool

    def run(self, services: StepServices) -> Outcome:
        loaded = self.warehouse(services).load_table(
            self.caller(services),
            self.name(services),
            self.table,
            [services.project / path for path, _ in self.files],
            backup=self.backup,
            progress=services.progress,
            token=services.token,
            digests=[digest for _, digest in self.files],
        )
        key = loads_attribute(self.table)
        known = services.attributes(self.address).get(key) or {}
        return Outcome(attributes={key: {**known, **self.read_back(loaded)}})

    def read_back(self, loaded: LoadedTable) -> dict[str, str]:
        """SHA-256 → path of what was planned, now that all of it is in the table."""
        for path, digest in self.files:
            if digest not in loaded.loads:
                raise ReconcilerError(
                    f"{path} changed while it was loaded into table {self.table}",
                    address=self.address,
                    suggestion="Plan again; a changed file needs `mode: append` or `mode: replace`.",
                )
        return {digest: path for path, digest in self.files}


@dataclass(frozen=True, kw_only=True)
class ReplaceTable(LoadTable):
    """Files in the place of a table's rows (``mode: replace``)."""

    def check(self, services: Services) -> None:
        replacing_tables(services, self.provider)

    def run(self, services: StepServices) -> Outcome:
        replacing = replacing_tables(services, self.provider)
        loaded = replacing.replace_table(
            self.caller(services),
            self.name(services),
            self.table,
            [services.project / path for path, _ in self.files],
            progress=services.progress,
            token=services.token,
            digests=[digest for _, digest in self.files],
        )
        return Outcome(attributes={loads_attribute(self.table): self.read_back(loaded)})


@dataclass(frozen=True, kw_only=True)
class DeleteCluster(ClusterStep):
    """The cluster and its data go; snapshots stay. Only the cluster that it was planned on (I12)."""

    cluster: str
    uid: str

    def run(self, services: StepServices) -> Outcome:
        found = self.warehouse(services).describe_clusters(self.caller(services), [self.cluster])
        if found and found[0].uid != self.uid:
            raise ConflictException(
                f"another cluster is called {self.cluster} now; it is left alone",
                address=self.address,
                suggestion=f"`reconciler state rm {self.address}` forgets the one that is gone.",
            )
        self.warehouse(services).delete_cluster(self.caller(services), self.cluster)
        return Outcome(gone=True)


@dataclass(frozen=True, kw_only=True)
class DeleteIncomplete(DeleteCluster):
    """What is left of a cluster that its HSM did not let be made (HS5). One that was made after all stays."""

    def run(self, services: StepServices) -> Outcome:
        found = incompatible(self.warehouse(services), self.caller(services), self.cluster)
        if found is not None and found.uid == self.uid:
            self.warehouse(services).delete_cluster(self.caller(services), self.cluster)
        return Outcome(attributes=dict.fromkeys((*_IDENTITY, INCOMPATIBLE)))


_IDENTITY = ("id", "arn", "name", "uid", "root", "key_arn", "partition")


def root_in(services: StepServices, wanted: WantedRoot) -> Root:
    """The wanted root as the warehouse takes it, now that its key or partition exists."""
    if wanted.kind is RootKind.KMS and wanted.key is not None:
        return Root(kind=wanted.kind, key_arn=wanted.key.arn_in(services))
    if wanted.kind is RootKind.HSM and wanted.partition is not None:
        return Root(kind=wanted.kind, partition=wanted.partition.arn_in(services))
    return Root(kind=wanted.kind)


def measured_seconds(services: Services, provider: str, address: Address) -> float | None:
    """How long writing the cluster's data again takes, by what its warehouse measured so far; None: nothing was."""
    warehouse = services.provider(provider)
    if not isinstance(warehouse, EstimatesChanges):
        return None
    estimate = warehouse.estimate_change(name_of(services.attributes(address)))
    return None if estimate is None else estimate.seconds


def changed_attributes(root: Root, trigger: str | None, *, reencrypt: bool, alone: bool) -> dict[str, Any]:
    """What the state records of a cluster that got another root. ``snapshots_stay``: its snapshots did not."""
    attributes: dict[str, Any] = {**attributes_of(root), "snapshots_stay": True if alone else None}
    if trigger is not None:
        attributes["trigger"] = trigger
    if reencrypt:
        attributes["reencrypted"] = reencrypted_under(root, trigger)
    return attributes


def _called(root: Root) -> str:
    return root.key_arn or root.partition or str(root.kind)


def identity_of(made: ClusterDescription) -> dict[str, str | None]:
    """What the state records of a new cluster."""
    return {"id": made.arn, "arn": made.arn, "name": made.name, "uid": made.uid, **attributes_of(made.root)}


def loads_attribute(table: str) -> str:
    """Where the state records what a table was loaded from: SHA-256 → path. One attribute a table, since a step's
    attributes are merged by name."""
    return f"loads.{table}"
