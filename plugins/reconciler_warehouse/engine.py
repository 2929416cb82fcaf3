"""What a warehouse does when it changes or reads data, each call in its order (``order``).

Imported at the first call that changes or reads data, so that describing loads no cryptography.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.access.caller import Caller
from reconciler.errors import InvalidClusterStateFault
from reconciler.host.sqlite import translated
from reconciler.providers.data import ClusterRequest, Progress, QueryResult, Root, RootKind
from reconciler_warehouse import operations, shares
from reconciler_warehouse.backups.snapshot_calls import SnapshotCalls
from reconciler_warehouse.changes import clusters, migration, reencrypt, renaming, rotation, switching
from reconciler_warehouse.keys import cluster_keys
from reconciler_warehouse.keys.roots import root_at
from reconciler_warehouse.lost_roots import escrow, inaccessible
from reconciler_warehouse.online import mode
from reconciler_warehouse.order import Order, one_of_two, quiet
from reconciler_warehouse.rows import ClusterRow, find_cluster
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep import due_work
from reconciler_warehouse.upkeep.drafts import sweep

if TYPE_CHECKING:
    from reconciler.providers.warehouse import (
        ExportedTable,
        ExportForm,
        OpenFile,
        StatementResult,
    )
    from reconciler_warehouse.writing import joinable


class Engine:
    """What a warehouse does; ``Warehouse`` describes the result."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._order = Order(site)
        self.snapshots = SnapshotCalls(site, self._order)

    def create_cluster(self, caller: Caller, request: ClusterRequest, token: str) -> None:
        """See ``WarehouseProvider.create_cluster``."""
        with self._order.swept(request.name):
            clusters.create(self._site, caller, request, token)

    def resize_cluster(self, name: str, node_type: str, nodes: int) -> None:
        """See ``WarehouseProvider.resize_cluster``."""
        with self._order.swept(name):
            clusters.resize(self._site, name, node_type, nodes)

    def delete_cluster(self, name: str) -> None:
        """See ``WarehouseProvider.delete_cluster``."""
        with self._order.swept(name):
            clusters.delete(self._site, name)

    def modify_encryption(self, caller: Caller, name: str, root: Root, progress: Progress, token: str) -> None:
        """See ``WarehouseProvider.modify_encryption``."""
        with self._order.whole(caller, name, progress, token=token) as cluster:
            if self._is_done(token) or self._root(cluster) == root:
                return
            if root.kind is RootKind.NONE or cluster.dek is None:
                operation = migration.begin(self._site, caller, cluster, root, token)
            else:
                operation = switching.begin(self._site, caller, cluster, root, token)
            self._order.carry_out(caller, operation, progress, cluster)

    def switch_root_alone(self, caller: Caller, name: str, root: Root, progress: Progress, token: str) -> None:
        """See ``LeavesSnapshotsBehind.switch_root_alone``."""
        with self._order.whole(caller, name, progress, token=token) as cluster:
            if self._is_done(token) or self._root(cluster) == root:
                return
            if root.kind is RootKind.NONE or cluster.dek is None:
                raise InvalidClusterStateFault(
                    f"Cluster {name} does not go from one root key to another: its snapshots stay as they are anyway",
                    suggestion="Change its encryption without `snapshotsFollow: false`.",
                )
            operation = switching.begin(self._site, caller, cluster, root, token, alone=True)
            self._order.carry_out(caller, operation, progress, cluster)

    def rotate_encryption_key(self, caller: Caller, name: str, progress: Progress, token: str) -> None:
        """See ``WarehouseProvider.rotate_encryption_key``."""
        with self._order.whole(caller, name, progress, token=token) as cluster:
            if not self._is_done(token):
                self._order.carry_out(caller, rotation.begin(self._site, cluster, token), progress, cluster)

    def re_encrypt(self, caller: Caller, name: str, progress: Progress, token: str) -> None:
        """See ``ReEncrypts.re_encrypt``."""
        with self._order.whole(caller, name, progress, token=token) as cluster:
            if not self._is_done(token):
                self._order.carry_out(caller, reencrypt.begin(self._site, cluster, token), progress, cluster)

    def set_escrow(self, caller: Caller, name: str, key_arn: str | None, token: str) -> None:
        """See ``KeepsEscrow.set_escrow``."""
        with self._order.whole(caller, name, quiet, token=token) as cluster:
            if not self._is_done(token) and not escrow.is_declared(self._site, cluster, key_arn):
                self._order.carry_out(caller, escrow.begin(self._site, caller, cluster, key_arn, token), quiet, cluster)

    def rename_cluster(self, caller: Caller, old: str, new: str, token: str) -> None:
        """See ``RenamesClusters.rename_cluster``."""
        name = new if self._is_done(token) and find_cluster(self._site, old) is None else old
        with self._order.whole(caller, name, quiet) as cluster:
            if cluster.name != new:
                self._order.carry_out(caller, renaming.begin(self._site, cluster, new, token), quiet, cluster)

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
        from reconciler_warehouse.loading import loads  # pyarrow is loaded when first needed

        with self._order.writing(caller, name, progress):
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
        from reconciler_warehouse.loading import loads  # pyarrow is loaded when first needed

        with self._order.writing(caller, name, progress):
            mode.repeated(
                lambda: loads.replace(self._site, caller, name, table, files, digests=digests, progress=progress)
            )

    def select(self, name: str, statement: str) -> QueryResult:
        """See ``WarehouseProvider.select``."""
        from reconciler_warehouse.queries import select  # the engines are loaded when first needed

        with translated(self._site.folder, "warehouse"), inaccessible.noticing(self._site, name):
            return select.select(self._site, name, statement)

    def execute(self, caller: Caller, name: str, statement: str, open_file: OpenFile, token: str) -> StatementResult:
        """See ``ExecutesStatements.execute``."""
        from reconciler_warehouse.writing import executing  # the engines are loaded when first needed

        with translated(self._site.folder, "warehouse"), one_of_two(), inaccessible.noticing(self._site, name):
            return executing.execute(self._site, caller, name, statement, open_file=open_file, token=token)

    def compact(self, due: joinable.Due) -> str | None:
        """Join a table's small segments; what was done, in a sentence."""
        from reconciler_warehouse.writing import compaction  # the engines are loaded when first needed

        with translated(self._site.folder, "warehouse"), inaccessible.noticing_at(self._site, due.cluster_uid):
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
        from reconciler_warehouse.exports import exporting  # pyarrow is loaded when first needed

        with translated(folder, "export"), inaccessible.noticing(self._site, name):
            return exporting.export(
                self._site, caller, name, tables, folder, form=form, key_id=key_id, progress=progress
            )

    def create_data_share(  # who shares what with whom
        self, name: str, producer: str, consumer: str, tables: Sequence[str], token: str
    ) -> None:
        """See ``SharesData.create_data_share``."""
        with self._order.swept(f"share/{name}"), inaccessible.noticing(self._site, producer):
            shares.create(self._site, name, producer, consumer, tables, token)

    def alter_data_share(self, name: str, tables: Sequence[str]) -> None:
        """See ``SharesData.alter_data_share``."""
        producer = shares.producer_of(self._site, name)
        with self._order.swept(f"share/{name}"), inaccessible.noticing_at(self._site, producer):
            shares.alter(self._site, name, tables)

    def delete_data_share(self, name: str) -> None:
        """See ``SharesData.delete_data_share``."""
        with self._order.swept(f"share/{name}"):
            shares.delete(self._site, name)

    def do_due_work(self, caller: Caller, progress: Progress, leave: Collection[str]) -> list[str]:
        """See ``DoesDueWork.do_due_work``."""
        return due_work.run(self._site, self, caller, progress, leave)

    def look_at_roots(self) -> list[str]:
        """Root keys that were lost or are back (RE8); what was done."""
        with self._site.catalogue.read() as read:
            if read is None:
                return []  # no cluster was ever here, and looking makes no catalogue
        with self._site.catalogue.write():
            pass  # a process that was overtaken is refused here (I13), before any key is asked
        with self._order.swept("roots"):
            return inaccessible.look_at_roots(self._site)

    def take_up(self, caller: Caller, name: str, progress: Progress) -> str | None:
        """The cluster's unfinished changes, as any call takes them up; what was done."""
        with self._order.whole(caller, name, progress):
            return f"Cluster {name}: the change that was interrupted is complete."

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

    def _is_done(self, token: str) -> bool:
        operation = operations.find(self._site, token)
        return operation is not None and operation.finished

    def _root(self, cluster: ClusterRow) -> Root:
        cek = rotation.current_cek(self._site, cluster.uid)
        if cek is None or cluster.dek is None:
            return Root(kind=RootKind.NONE)
        return root_at(cek.root_kind, cek.root_arn)
