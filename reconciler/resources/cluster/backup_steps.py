"""Snapshots from a cluster's side: its schedule of automated ones, and a cluster that is made of one (SC1, RE11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from reconciler.errors import HsmError, ResourceNotFoundException
from reconciler.model.change import Outcome
from reconciler.model.ports import Services, StepServices
from reconciler.providers.typed import caller, restoring_snapshots, scheduling_snapshots, warehouse_provider
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler.resources.cluster.hsm_root import of_partition
from reconciler.resources.cluster.steps import ClusterStep, CreateCluster
from reconciler.resources.reference import Reference, name_of

AUTOMATED: Final = "automated"


@dataclass(frozen=True, kw_only=True)
class SetSchedule(ClusterStep):
    """Automated snapshots from now on, or none any more: ``every_minutes`` None. Those that were taken stay until their
    retention is over."""

    every_minutes: int | None
    retention_days: int | None

    def check(self, services: Services) -> None:
        """See ``Step``."""
        scheduling_snapshots(services, self.provider)

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        schedule = None
        if self.every_minutes is not None and self.retention_days is not None:
            every, retention = timedelta(minutes=self.every_minutes), timedelta(days=self.retention_days)
            schedule = SnapshotSchedule(every=every, retention=retention)
        scheduling_snapshots(services, self.provider).set_snapshot_schedule(
            self.caller(services), self.name(services), schedule
        )
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class DeleteAutomated(ClusterStep):
    """The snapshots that the cluster took by itself go; only its own, and no copy elsewhere. What was taken by hand
    stays."""

    uid: str

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        warehouse, who = self.warehouse(services), self.caller(services)
        for found in warehouse.describe_snapshots(who):
            if found.cluster_uid == self.uid and found.kind == AUTOMATED and found.source_region is None:
                warehouse.delete_snapshot(who, found.name)
        return Outcome()


@dataclass(frozen=True, kw_only=True)
class RestoreCluster(CreateCluster):
    """A new cluster with a snapshot's tables, under a root of its own choice: references to what lies there, new keys
    for what is written from now on (I6)."""

    snapshot: Reference

    def check(self, services: Services) -> None:
        """Also ResourceNotFoundException for a snapshot that is to be there by now, and is not."""
        super().check(services)
        restoring_snapshots(services, self.provider)
        try:
            name = snapshot_name(self.snapshot, services)
        except KeyError:
            return  # this plan takes it
        who = caller(services, self.provider)
        if not warehouse_provider(services, self.provider).describe_snapshots(who, [name]):
            raise ResourceNotFoundException(
                f"{self.address} is to be made of {self.snapshot}, and Provider/{self.provider} has no such snapshot",
                address=self.address,
                suggestion="It may have expired. Name another in `restoreFrom`: `reconciler import --generate` writes "
                "manifests of all that are there.",
            )

    def run(self, services: StepServices) -> Outcome:
        """See ``Step``."""
        try:
            made = restoring_snapshots(services, self.provider).restore_cluster(
                self.caller(services),
                self.request(services),
                snapshot_name(self.snapshot, services),
                progress=services.progress,
                token=services.token,
            )
        except HsmError as error:
            raise of_partition(error, self.root) from error
        return Outcome(attributes={**self.launched(made), "restored_from": self.snapshot.arn_in(services)})


def snapshot_name(reference: Reference, services: Services) -> str:
    """The snapshot's name at its warehouse. KeyError while it is not there. That of an automated one has a colon, so
    it is not just the last part of its ARN."""
    attributes = reference.attributes(services)
    _, _, place = str(attributes["arn"]).partition(":snapshot:")
    return place.partition("/")[2] or name_of(attributes)
