"""The calls about snapshots: taken, restored, due, copied, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from reconciler.access.caller import Caller
from reconciler.host.sqlite import translated
from reconciler.providers.data import ClusterRequest, Progress, Root, SnapshotDescription
from reconciler_warehouse import describe
from reconciler_warehouse.backups import restoring, schedule, table_restoring
from reconciler_warehouse.backups import snapshots as snapshots_of
from reconciler_warehouse.copies import copy_grants, copying, receiving
from reconciler_warehouse.lost_roots import inaccessible
from reconciler_warehouse.order import Order, quiet
from reconciler_warehouse.rows import cluster_at, cluster_named
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep.drafts import sweep

if TYPE_CHECKING:
    from reconciler.providers.warehouse import SnapshotSchedule
    from reconciler_warehouse.copies.sending import IncomingSnapshot, SnapshotOffer
    from reconciler_warehouse.upkeep.due import DueCopy, DueSnapshot


class SnapshotCalls:
    """What a warehouse does with snapshots; ``Warehouse`` describes the result."""

    def __init__(self, site: Site, order: Order) -> None:
        self._site = site
        self._order = order

    def create_snapshot(self, caller: Caller, cluster: str, name: str, days: int | None, token: str) -> None:
        """See ``WarehouseProvider.create_snapshot``."""
        with self._order.whole(caller, cluster, quiet) as row:
            keep = None if days is None else timedelta(days=days)
            snapshots_of.create(self._site, row, name, keep=keep, token=token)

    def restore_cluster(
        self, caller: Caller, request: ClusterRequest, snapshot: str, progress: Progress, token: str
    ) -> None:
        """See ``RestoresSnapshots.restore_cluster``."""
        with self._order.swept(request.name):
            restoring.restore_cluster(self._site, caller, request, snapshot, progress=progress, token=token)
        with self._order.whole(caller, request.name, progress, token=f"{token}/encrypt"):
            pass  # what was restored in clear is encrypted: that change is open

    def restore_table(  # noqa: PLR0917  # what of what, and as what
        self, caller: Caller, cluster: str, snapshot: str, table: str, new_name: str, progress: Progress, token: str
    ) -> None:
        """See ``RestoresSnapshots.restore_table``."""
        with self._order.whole(caller, cluster, progress, token=token) as row:
            table_restoring.restore_table(self._site, row, snapshot, table, new_name, progress=progress, token=token)

    def set_snapshot_schedule(self, name: str, wanted: SnapshotSchedule | None) -> None:
        """See ``SchedulesSnapshots.set_snapshot_schedule``."""
        with self._order.swept(name):
            schedule.set_schedule(self._site, cluster_named(self._site, name), wanted)

    def take_due_snapshot(self, due: DueSnapshot) -> str | None:
        """The cluster's automated snapshot; what was done, None when another process was quicker."""
        with self._order.swept(due.cluster):
            name = schedule.take(self._site, cluster_at(self._site, due.cluster_uid), due.at)
        return None if name is None else f"Snapshot {name} was taken by schedule."

    def make_due_copy(self, caller: Caller, due: DueCopy, progress: Progress) -> str | None:
        """The snapshot's copy in the Region that its cluster copies to; what was done. ProviderUnavailable."""
        destination = self._site.sibling(due.provider)
        self.copy_snapshot(caller, due.snapshot, destination, progress, f"copy/{due.uid}/{due.region}")
        return f"Snapshot {due.snapshot} was copied to {due.region}."

    def delete_snapshot(self, name: str) -> None:
        """See ``WarehouseProvider.delete_snapshot``."""
        with self._order.swept(f"snapshot/{name}"):
            snapshots_of.delete(self._site, name)

    def create_copy_grant(self, caller: Caller, name: str, root: Root, token: str) -> None:
        """See ``WarehouseProvider.create_snapshot_copy_grant``."""
        with self._order.swept(f"copy-grant/{name}"):
            copy_grants.create(self._site, caller, name, root, token)

    def delete_copy_grant(self, name: str) -> None:
        """See ``WarehouseProvider.delete_snapshot_copy_grant``."""
        with self._order.swept(f"copy-grant/{name}"):
            copy_grants.delete(self._site, name)

    def enable_copy(self, caller: Caller, cluster: str, destination: object, grant: str | None, days: int) -> None:
        """See ``WarehouseProvider.enable_snapshot_copy``."""
        with self._order.swept(cluster), inaccessible.noticing(self._site, cluster):
            row = cluster_named(self._site, cluster)
            copying.enable(self._site, caller, row, copying.receiver(destination), grant=grant, days=days)

    def disable_copy(self, cluster: str) -> None:
        """See ``WarehouseProvider.disable_snapshot_copy``."""
        with self._order.swept(cluster):
            copying.disable(self._site, cluster_named(self._site, cluster))

    def copy_snapshot(
        self, caller: Caller, name: str, destination: object, progress: Progress, token: str
    ) -> SnapshotDescription:
        """See ``WarehouseProvider.copy_snapshot``."""
        with self._site.alone(f"snapshot/{name}"), translated(self._site.folder, "warehouse"):
            cluster = snapshots_of.available(self._site, name).cluster_uid
            with inaccessible.noticing_at(self._site, cluster):  # none is copied while the root key is lost (RE8)
                return copying.copy(
                    self._site, caller, name, copying.receiver(destination), progress=progress, token=token
                )

    @contextmanager
    def receive_snapshot(self, offer: SnapshotOffer, token: str) -> Iterator[IncomingSnapshot]:
        """See ``ReceivesSnapshots.receive_snapshot``."""
        with self._order.swept(f"snapshot/{offer.name}"), receiving.receive(self._site, offer, token) as incoming:
            yield incoming

    def expire(self) -> list[str]:
        """See ``Expires.expire``."""
        gone: list[str] = []
        for found in describe.expired(self._site):
            with self._order.swept(f"snapshot/{found}"):
                gone += snapshots_of.remove_expired(self._site, found)
        with translated(self._site.folder, "warehouse"):
            sweep(self._site)  # grants that wait to be retired keep their key from being deleted
        return gone
