"""The order of things in each changing call: one at a time per cluster, leftovers swept, half-done changes finished.

Imported at the first call that changes or reads data, so that describing loads no cryptography.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException, HsmError, InvalidClusterStateFault, ServiceError, ThrottlingException
from reconciler.host.sqlite import translated
from reconciler.providers.data import ClusterRequest, Progress, QueryResult, Root, RootKind, SnapshotDescription
from reconciler_warehouse import (
    cluster_keys,
    clusters,
    copy_grants,
    copying,
    describe,
    due_work,
    escrow,
    inaccessible,
    migration,
    operations,
    receiving,
    reencrypt,
    renaming,
    restoring,
    rotation,
    schedule,
    shares,
    switching,
    table_restoring,
)
from reconciler_warehouse import snapshots as snapshots_of
from reconciler_warehouse.drafts import sweep
from reconciler_warehouse.hierarchy import confirm_keys, opened
from reconciler_warehouse.online import mode
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.roots import root_at
from reconciler_warehouse.rows import ClusterRow, cluster_at, cluster_named, find_cluster
from reconciler_warehouse.site import Site

if TYPE_CHECKING:
    from reconciler.providers.warehouse import (
        ExportedTable,
        ExportForm,
        OpenFile,
        SnapshotSchedule,
        StatementResult,
    )
    from reconciler_warehouse.due import DueCopy, DueSnapshot
    from reconciler_warehouse.sending import IncomingSnapshot, SnapshotOffer
    from reconciler_warehouse.writing import joinable


class Engine:
    """What a warehouse does; ``Warehouse`` describes the result."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def create_cluster(self, caller: Caller, request: ClusterRequest, token: str) -> None:
        """See ``WarehouseProvider.create_cluster``."""
        with self._swept(request.name):
            clusters.create(self._site, caller, request, token)

    def resize_cluster(self, name: str, node_type: str, nodes: int) -> None:
        """See ``WarehouseProvider.resize_cluster``."""
        with self._swept(name):
            clusters.resize(self._site, name, node_type, nodes)

    def delete_cluster(self, name: str) -> None:
        """See ``WarehouseProvider.delete_cluster``."""
        with self._swept(name):
            clusters.delete(self._site, name)

    def modify_encryption(self, caller: Caller, name: str, root: Root, progress: Progress, token: str) -> None:
        """See ``WarehouseProvider.modify_encryption``."""
        with self._whole(caller, name, progress, token=token) as cluster:
            if self._is_done(token) or self._root(cluster) == root:
                return
            if root.kind is RootKind.NONE or cluster.dek is None:
                operation = migration.begin(self._site, caller, cluster, root, token)
            else:
                operation = switching.begin(self._site, caller, cluster, root, token)
            self._carry_out(caller, operation, progress, cluster)

    def switch_root_alone(self, caller: Caller, name: str, root: Root, progress: Progress, token: str) -> None:
        """See ``LeavesSnapshotsBehind.switch_root_alone``."""
        with self._whole(caller, name, progress, token=token) as cluster:
            if self._is_done(token) or self._root(cluster) == root:
                return
            if root.kind is RootKind.NONE or cluster.dek is None:
                raise InvalidClusterStateFault(
                    f"Cluster {name} does not go from one root key to another: its snapshots stay as they are anyway",
                    suggestion="Change its encryption without `snapshotsFollow: false`.",
                )
            operation = switching.begin(self._site, caller, cluster, root, token, alone=True)
            self._carry_out(caller, operation, progress, cluster)

    def rotate_encryption_key(self, caller: Caller, name: str, progress: Progress, token: str) -> None:
        """See ``WarehouseProvider.rotate_encryption_key``."""
        with self._whole(caller, name, progress, token=token) as cluster:
            if not self._is_done(token):
                self._carry_out(caller, rotation.begin(self._site, cluster, token), progress, cluster)

    def re_encrypt(self, caller: Caller, name: str, progress: Progress, token: str) -> None:
        """See ``ReEncrypts.re_encrypt``."""
        with self._whole(caller, name, progress, token=token) as cluster:
            if not self._is_done(token):
                self._carry_out(caller, reencrypt.begin(self._site, cluster, token), progress, cluster)

    def set_escrow(self, caller: Caller, name: str, key_arn: str | None, token: str) -> None:
        """See ``KeepsEscrow.set_escrow``."""
        with self._whole(caller, name, _quiet, token=token) as cluster:
            if not self._is_done(token) and not escrow.is_declared(self._site, cluster, key_arn):
                self._carry_out(caller, escrow.begin(self._site, caller, cluster, key_arn, token), _quiet, cluster)

    def rename_cluster(self, caller: Caller, old: str, new: str, token: str) -> None:
        """See ``RenamesClusters.rename_cluster``."""
        name = new if self._is_done(token) and find_cluster(self._site, old) is None else old
        with self._whole(caller, name, _quiet) as cluster:
            if cluster.name != new:
                self._carry_out(caller, renaming.begin(self._site, cluster, new, token), _quiet, cluster)

    def load_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        digests: Sequence[str],
        backup: bool,
        progress: Progress,
    ) -> None:
        """See ``WarehouseProvider.load_table``."""
        from reconciler_warehouse import loads  # pyarrow is loaded when first needed

        with self._writing(caller, name, progress):
            mode.repeated(
                lambda: loads.load(
                    self._site, caller, name, table, files, digests=digests, backup=backup, progress=progress
                )
            )

    def replace_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        digests: Sequence[str],
        progress: Progress,
    ) -> None:
        """See ``ReplacesTables.replace_table``."""
        from reconciler_warehouse import loads  # pyarrow is loaded when first needed

        with self._writing(caller, name, progress):
            mode.repeated(
                lambda: loads.replace(self._site, caller, name, table, files, digests=digests, progress=progress)
            )

    def select(self, name: str, statement: str) -> QueryResult:
        """See ``WarehouseProvider.select``."""
        from reconciler_warehouse import select  # the engines are loaded when first needed

        with translated(self._site.folder, "warehouse"), inaccessible.noticing(self._site, name):
            return select.select(self._site, name, statement)

    def execute(self, caller: Caller, name: str, statement: str, open_file: OpenFile, token: str) -> StatementResult:
        """See ``ExecutesStatements.execute``."""
        from reconciler_warehouse.writing import executing  # the engines are loaded when first needed

        with translated(self._site.folder, "warehouse"), _one_of_two():
            return executing.execute(self._site, caller, name, statement, open_file=open_file, token=token)

    def compact(self, due: joinable.Due) -> str | None:
        """Join a table's small segments; what was done, in a sentence."""
        from reconciler_warehouse.writing import compaction  # the engines are loaded when first needed

        with translated(self._site.folder, "warehouse"):
            return compaction.compact(self._site, due)

    def export_tables(
        self,
        caller: Caller,
        name: str,
        tables: Sequence[str],
        folder: Path,
        *,
        form: ExportForm,
        key_id: str | None,
        progress: Progress,
    ) -> list[ExportedTable]:
        """See ``ExportsTables.export_tables``."""
        from reconciler_warehouse import exporting  # pyarrow is loaded when first needed

        with translated(folder, "export"), inaccessible.noticing(self._site, name):
            return exporting.export(
                self._site, caller, name, tables, folder, form=form, key_id=key_id, progress=progress
            )

    def create_data_share(  # who shares what with whom
        self, name: str, producer: str, consumer: str, tables: Sequence[str], token: str
    ) -> None:
        """See ``SharesData.create_data_share``."""
        with self._swept(f"share/{name}"), inaccessible.noticing(self._site, producer):
            shares.create(self._site, name, producer, consumer, tables, token)

    def alter_data_share(self, name: str, tables: Sequence[str]) -> None:
        """See ``SharesData.alter_data_share``."""
        producer = shares.producer_of(self._site, name)
        with self._swept(f"share/{name}"), inaccessible.noticing_at(self._site, producer):
            shares.alter(self._site, name, tables)

    def delete_data_share(self, name: str) -> None:
        """See ``SharesData.delete_data_share``."""
        with self._swept(f"share/{name}"):
            shares.delete(self._site, name)

    def create_snapshot(self, caller: Caller, cluster: str, name: str, days: int | None, token: str) -> None:
        """See ``WarehouseProvider.create_snapshot``."""
        with self._whole(caller, cluster, _quiet) as row:
            keep = None if days is None else timedelta(days=days)
            snapshots_of.create(self._site, row, name, keep=keep, token=token)

    def restore_cluster(
        self, caller: Caller, request: ClusterRequest, snapshot: str, progress: Progress, token: str
    ) -> None:
        """See ``RestoresSnapshots.restore_cluster``."""
        with self._swept(request.name):
            restoring.restore_cluster(self._site, caller, request, snapshot, progress=progress, token=token)
        with self._whole(caller, request.name, progress, token=f"{token}/encrypt"):
            pass  # what was restored in clear is encrypted: that change is open

    def restore_table(  # noqa: PLR0917  # what of what, and as what
        self, caller: Caller, cluster: str, snapshot: str, table: str, new_name: str, progress: Progress, token: str
    ) -> None:
        """See ``RestoresSnapshots.restore_table``."""
        with self._whole(caller, cluster, progress, token=token) as row:
            table_restoring.restore_table(self._site, row, snapshot, table, new_name, progress=progress, token=token)

    def set_snapshot_schedule(self, name: str, wanted: SnapshotSchedule | None) -> None:
        """See ``SchedulesSnapshots.set_snapshot_schedule``."""
        with self._swept(name):
            schedule.set_schedule(self._site, cluster_named(self._site, name), wanted)

    def do_due_work(self, caller: Caller, progress: Progress) -> list[str]:
        """See ``DoesDueWork.do_due_work``."""
        return due_work.run(self._site, self, caller, progress)

    def look_at_roots(self) -> list[str]:
        """Root keys that were lost or are back (RE8); what was done."""
        with self._site.catalogue.write():
            pass  # a process that was overtaken is refused here (I13), before any key is asked
        with self._swept("roots"):
            return inaccessible.look_at_roots(self._site)

    def take_up(self, caller: Caller, name: str, progress: Progress) -> str | None:
        """The cluster's unfinished changes, as any call takes them up; what was done."""
        with self._whole(caller, name, progress):
            return f"Cluster {name}: the change that was interrupted is complete."

    def take_due_snapshot(self, due: DueSnapshot) -> str | None:
        """The cluster's automated snapshot; what was done, None when another process was quicker."""
        with self._swept(due.cluster):
            name = schedule.take(self._site, cluster_at(self._site, due.cluster_uid), due.at)
        return None if name is None else f"Snapshot {name} was taken by schedule."

    def make_due_copy(self, caller: Caller, due: DueCopy, progress: Progress) -> str | None:
        """The snapshot's copy in the Region that its cluster copies to; what was done. ProviderUnavailable."""
        destination = self._site.sibling(due.provider)
        self.copy_snapshot(caller, due.snapshot, destination, progress, f"copy/{due.uid}/{due.region}")
        return f"Snapshot {due.snapshot} was copied to {due.region}."

    def delete_snapshot(self, name: str) -> None:
        """See ``WarehouseProvider.delete_snapshot``."""
        with self._swept(f"snapshot/{name}"):
            snapshots_of.delete(self._site, name)

    def create_copy_grant(self, caller: Caller, name: str, root: Root, token: str) -> None:
        """See ``WarehouseProvider.create_snapshot_copy_grant``."""
        with self._swept(f"copy-grant/{name}"):
            copy_grants.create(self._site, caller, name, root, token)

    def delete_copy_grant(self, name: str) -> None:
        """See ``WarehouseProvider.delete_snapshot_copy_grant``."""
        with self._swept(f"copy-grant/{name}"):
            copy_grants.delete(self._site, name)

    def enable_copy(self, caller: Caller, cluster: str, destination: object, grant: str | None, days: int) -> None:
        """See ``WarehouseProvider.enable_snapshot_copy``."""
        with self._swept(cluster), inaccessible.noticing(self._site, cluster):
            row = cluster_named(self._site, cluster)
            copying.enable(self._site, caller, row, copying.receiver(destination), grant=grant, days=days)

    def disable_copy(self, cluster: str) -> None:
        """See ``WarehouseProvider.disable_snapshot_copy``."""
        with self._swept(cluster):
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
        with self._swept(f"snapshot/{offer.name}"), receiving.receive(self._site, offer, token) as incoming:
            yield incoming

    def expire(self) -> list[str]:
        """See ``Expires.expire``."""
        gone: list[str] = []
        for found in describe.expired(self._site):
            with self._swept(f"snapshot/{found}"):
                gone += snapshots_of.remove_expired(self._site, found)
        self.clear_up()  # grants that wait to be retired keep their key from being deleted
        return gone

    def destroy_retired_cluster_keys(
        self, caller: Caller, key_ids: Collection[str], partition: str | None
    ) -> list[str]:
        """See ``RetiresClusterKeys.destroy_retired_cluster_keys``."""
        with translated(self._site.folder, "warehouse"):
            sweep(self._site)
            return cluster_keys.destroy(self._site, caller, key_ids, partition)

    def clear_up(self) -> None:
        """See ``ClearsUp.clear_up``."""
        with translated(self._site.folder, "warehouse"):
            sweep(self._site)

    @contextmanager
    def _swept(self, what: str) -> Iterator[None]:
        """Alone with ``what``; leftovers of earlier calls go before, those of this one after. What the disk refuses
        comes out as HostError."""
        with self._site.alone(what), translated(self._site.folder, "warehouse"), _one_of_two():
            sweep(self._site)
            yield
            sweep(self._site)

    @contextmanager
    def _whole(
        self, caller: Caller, name: str, progress: Progress, *, token: str | None = None
    ) -> Iterator[ClusterRow]:
        """The cluster, with every change finished that an earlier call began, its own of the same ``token`` too. One
        of another token that its key refuses, and that has changed nothing yet, is given up instead."""
        with self._swept(name), inaccessible.noticing(self._site, name):
            uid = cluster_named(self._site, name).uid
            for operation in operations.unfinished(self._site, uid):
                cluster = cluster_at(self._site, uid)
                operations.check(self._site, cluster, operation)
                try:
                    self._carry_out(caller, operation, progress, cluster)
                except ThrottlingException:
                    raise
                except (ServiceError, HsmError):
                    if operation.token == token or not operations.give_up(self._site, operation):
                        raise
                sweep(self._site)
            confirm_keys(self._site, uid, f"Cluster {name}")
            yield cluster_at(self._site, uid)

    @contextmanager
    def _writing(self, caller: Caller, name: str, progress: Progress) -> Iterator[None]:
        """For calls that change rows. Changes of the cluster that an earlier call began are finished first, but for one
        of its encryption: that goes on meanwhile, here or elsewhere (RE9), and ``mode`` says what is written."""
        with self._swept(f"rows of {name}"), inaccessible.noticing(self._site, name):
            cluster = cluster_named(self._site, name)
            for operation in operations.unfinished(self._site, cluster.uid):
                if operation.verb not in mode.MIGRATIONS:
                    with self._whole(caller, name, progress):
                        pass
                elif cluster.dek is None:
                    self._give_up_if_refused(cluster, operation)
            confirm_keys(self._site, cluster.uid, f"Cluster {name}")
            yield

    def _give_up_if_refused(self, cluster: ClusterRow, operation: Operation) -> None:
        """An encryption that has made keys, and no row under them yet, is given up when they do not open any more: rows
        are plain still, and nobody has to wait for a key that nothing is under."""
        try:
            with opened(self._site, cluster.uid, f"Cluster {cluster.name}"):
                return
        except ThrottlingException:
            raise
        except (ServiceError, HsmError):
            if not operations.give_up(self._site, operation):
                raise
        sweep(self._site)

    def _carry_out(self, caller: Caller, operation: Operation, progress: Progress, cluster: ClusterRow) -> None:
        site = self._site
        runs: dict[str, Callable[[], None]] = {
            rotation.VERB: lambda: rotation.run(site, cluster, operation, progress),
            switching.VERB: lambda: switching.run(site, caller, cluster, operation, progress),
            migration.ENCRYPT: lambda: migration.encrypt(site, caller, cluster, operation, progress),
            migration.DECRYPT: lambda: migration.decrypt(site, cluster, operation, progress),
            reencrypt.VERB: lambda: reencrypt.run(site, cluster, operation, progress),
            renaming.VERB: lambda: renaming.run(site, caller, cluster, operation),
            escrow.VERB: lambda: escrow.run(site, caller, cluster, operation),
        }
        runs[operation.verb]()

    def _is_done(self, token: str) -> bool:
        operation = operations.find(self._site, token)
        return operation is not None and operation.finished

    def _root(self, cluster: ClusterRow) -> Root:
        cek = rotation.current_cek(self._site, cluster.uid)
        if cek is None or cluster.dek is None:
            return Root(kind=RootKind.NONE)
        return root_at(cek.root_kind, cek.root_arn)


@contextmanager
def _one_of_two() -> Iterator[None]:
    """A name, token or file that another process wrote at the same moment is refused by the store's own constraints."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise ConflictException(
            "Another process made the same change at the same time; nothing of this step was committed",
            suggestion="Run the command again.",
        ) from None


def _quiet(text: str, done: int | None, total: int | None) -> None:
    """Progress that nobody asked for."""
