"""How copying is switched on and off, and how snapshots are copied (SC2, SC4). Each call repeats safely (I11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import BlockedByGuard, Diagnostic, ResourceNotFoundException
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.data import ClusterDescription, CopyStatus, RootKind, SnapshotDescription, WarehouseProvider
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference
from reconciler.resources.snapshot_copy.observe import uncopied


@dataclass(frozen=True, kw_only=True)
class SnapshotCopyStep(ResourceStep):
    """A call about the copying of one cluster."""

    def warehouse(self, services: StepServices) -> WarehouseProvider:
        """The source."""
        return warehouse_provider(services, self.provider)

    def cluster_called(self, services: StepServices, name: str) -> ClusterDescription | None:
        """The cluster as it is now, None when it is gone."""
        found = self.warehouse(services).describe_clusters(self.caller(services), [name])
        return found[0] if found else None

    def refuse_silent_downgrade(self, found: ClusterDescription, grant: str | None) -> None:
        """Asked once more right before the call (CONTRACT 5)."""
        if grant is None and found.root.kind in (RootKind.KMS, RootKind.HSM):
            where = "rooted in an HSM" if found.root.kind is RootKind.HSM else "under a customer-managed key"
            raise BlockedByGuard(
                [
                    Diagnostic(
                        code="silent-downgrade",
                        summary=f"cluster {found.name} is {where}; without a copy grant its "
                        "copies would fall to the owned key of the destination",
                        address=self.address,
                        suggestion="Name a SnapshotCopyGrant of the destination Region in `spec.grant`.",
                    )
                ]
            )


@dataclass(frozen=True, kw_only=True)
class EnableCopy(SnapshotCopyStep):
    """Copying as declared, from now on. Whatever other copying is on is switched off first: it cannot be changed."""

    cluster: Reference
    to: str
    grant: Reference | None
    retention_days: int

    def run(self, services: StepServices) -> Outcome:
        name, who, source = self.cluster.name_in(services), self.caller(services), self.warehouse(services)
        destination = warehouse_provider(services, self.to)
        found = self.cluster_called(services, name)
        if found is None:
            raise ResourceNotFoundException(
                f"{self.cluster} is gone; its snapshots cannot be copied", address=self.address
            )
        grant = None if self.grant is None else self.grant.name_in(services)
        self.refuse_silent_downgrade(found, grant)
        wanted = CopyStatus(region=destination.region, grant_name=grant, retention_days=self.retention_days)
        if found.copy is not None and found.copy != wanted:
            source.disable_snapshot_copy(who, name)
        if found.copy != wanted:
            source.enable_snapshot_copy(who, name, destination, grant=grant, retention_days=self.retention_days)
        return Outcome(attributes=copying_attributes(found, self.to, wanted))


@dataclass(frozen=True, kw_only=True)
class CopySnapshots(SnapshotCopyStep):
    """Copies of the cluster's snapshots, each under the destination's root and verified there (SC4). ``snapshots``
    names them; None: all that have not arrived when the step runs."""

    cluster: Reference
    to: str
    snapshots: tuple[str, ...] | None = None

    def run(self, services: StepServices) -> Outcome:
        found = self.cluster_called(services, self.cluster.name_in(services))
        if found is None or found.copy is None:
            return Outcome()
        self.refuse_silent_downgrade(found, found.copy.grant_name)
        source, destination = self.warehouse(services), warehouse_provider(services, self.to)
        taken = source.describe_snapshots(self.caller(services))
        arrived = destination.describe_snapshots(caller(services, self.to))
        copied = dict(services.attributes(self.address).get("copied") or {})
        missing = uncopied(found, taken, arrived, copied, services.clock.now())
        for number, snapshot in enumerate(missing, 1):
            if self.snapshots is not None and snapshot.name not in self.snapshots:
                continue
            services.progress(f"copy {snapshot.name} to {destination.region}", number, len(missing))
            source.copy_snapshot(
                self.caller(services),
                snapshot.name,
                destination,
                progress=services.progress,
                token=f"{services.token}/{snapshot.uid}",
            )
        return Outcome(attributes={"copied": copied_by_now(services, self.provider, self.to, found.uid, copied)})


@dataclass(frozen=True, kw_only=True)
class DeleteCopies(SnapshotCopyStep):
    """The copies that this copying made go from the destination; only those that it was planned on (I12), told by
    their ``uids``."""

    to: str
    copies: tuple[str, ...]
    uids: tuple[str, ...]

    def run(self, services: StepServices) -> Outcome:
        destination, who = warehouse_provider(services, self.to), caller(services, self.to)
        for found in destination.describe_snapshots(who, self.copies):
            if found.uid in self.uids and found.source_region is not None:
                destination.delete_snapshot(who, found.name)
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class DisableCopy(SnapshotCopyStep):
    """No longer copy; copies that arrived stay. ``is_last``: copying is not switched on again by this change."""

    cluster: str
    is_last: bool

    def run(self, services: StepServices) -> Outcome:
        if self.cluster_called(services, self.cluster) is not None:
            self.warehouse(services).disable_snapshot_copy(self.caller(services), self.cluster)
        return Outcome(gone=self.is_last)


def copying_attributes(cluster: ClusterDescription, to: str, copying: CopyStatus) -> dict[str, str | None]:
    """What the state records of a cluster's copying to the Provider ``to``."""
    return {
        "id": f"{cluster.arn}/snapshot-copy/{copying.region}",
        "arn": cluster.arn,
        "cluster": cluster.name,
        "to": to,
        "region": copying.region,
        "grant": copying.grant_name,
    }


def copied_by_now(
    services: Services, provider: str, to: str, cluster_uid: str, known: Mapping[str, Any]
) -> dict[str, str | None]:
    """Uid of each snapshot of that cluster that was copied → when its copy expires: what was ``known``, and what has
    arrived since. Copies of other clusters are others': with this copying, its own may be deleted."""
    described = warehouse_provider(services, provider).describe_snapshots(caller(services, provider))
    taken = [snapshot for snapshot in described if snapshot.cluster_uid == cluster_uid]
    arrived = warehouse_provider(services, to).describe_snapshots(caller(services, to))
    return {**_still_there(known, taken), **_expiries(taken, arrived)}


def _still_there(copied: Mapping[str, Any], taken: Iterable[SnapshotDescription]) -> dict[str, str | None]:
    """What was recorded of snapshots that still exist: the others need no remembering."""
    uids = {snapshot.uid for snapshot in taken}
    return {uid: expires for uid, expires in copied.items() if uid in uids}


def _expiries(taken: Iterable[SnapshotDescription], arrived: Iterable[SnapshotDescription]) -> dict[str, str | None]:
    """Uid of each snapshot that has arrived → when its copy expires."""
    uids = {snapshot.arn: snapshot.uid for snapshot in taken}
    return {
        uids[copy.source_arn]: None if copy.expires_at is None else copy.expires_at.isoformat()
        for copy in arrived
        if copy.source_arn in uids
    }
