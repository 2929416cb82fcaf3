"""How a snapshot is taken and deleted. Each call repeats safely, given the step's token (I11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import ConflictException
from reconciler.model.change import Outcome
from reconciler.model.ports import StepServices
from reconciler.providers.data import WarehouseProvider
from reconciler.providers.typed import warehouse_provider
from reconciler.resources.kind import ResourceStep
from reconciler.resources.reference import Reference


@dataclass(frozen=True, kw_only=True)
class SnapshotStep(ResourceStep):
    """A call about one snapshot of one warehouse."""

    snapshot: str

    def warehouse(self, services: StepServices) -> WarehouseProvider:
        """Where it lives."""
        return warehouse_provider(services, self.provider)


@dataclass(frozen=True, kw_only=True)
class TakeSnapshot(SnapshotStep):
    """A manual snapshot: references to immutable data and keys, nothing rewritten (SC1)."""

    cluster: Reference
    retention_days: int | None

    def same_request(self, begun: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
        """What its token made is found by that alone; what else was asked for since is the next plan's."""
        return bool(begun["snapshot"] == now["snapshot"])

    def run(self, services: StepServices) -> Outcome:
        made = self.warehouse(services).create_snapshot(
            self.caller(services),
            self.cluster.name_in(services),
            self.snapshot,
            retention_days=self.retention_days,
            token=services.token,
        )
        return Outcome(
            attributes={
                "id": made.arn,
                "arn": made.arn,
                "name": made.name,
                "uid": made.uid,
                "cluster_uid": made.cluster_uid,
                "retention_days": self.retention_days,
            }
        )


@dataclass(frozen=True, kw_only=True)
class ForgetSnapshot(SnapshotStep):
    """What was recorded of a snapshot that is gone, so that another may have its address."""

    def run(self, services: StepServices) -> Outcome:
        return Outcome(attributes={"id": None, "arn": None, "uid": None, "cluster_uid": None})


@dataclass(frozen=True, kw_only=True)
class DeleteSnapshot(SnapshotStep):
    """The snapshot goes. Only the one that it was planned on (I12)."""

    uid: str

    def run(self, services: StepServices) -> Outcome:
        who = self.caller(services)
        found = self.warehouse(services).describe_snapshots(who, [self.snapshot])
        if found and found[0].uid != self.uid:
            raise ConflictException(
                f"another snapshot is called {self.snapshot} now; it is left alone",
                address=self.address,
                suggestion=f"`reconciler state rm {self.address}` forgets the one that is gone.",
            )
        self.warehouse(services).delete_snapshot(who, self.snapshot)
        return Outcome(gone=True)
