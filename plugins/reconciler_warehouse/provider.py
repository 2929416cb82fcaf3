"""The class behind the entry point: one Region's warehouse with all its capabilities."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pydantic import BaseModel

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, ResourceNotFoundException
from reconciler.providers.data import (
    ClusterDescription,
    ClusterRequest,
    CopyGrantDescription,
    LoadedTable,
    Progress,
    QueryResult,
    Root,
    SnapshotDescription,
    WarehouseProvider,
)
from reconciler.providers.plugin import WAREHOUSE, ProviderServices, Resolve
from reconciler_warehouse import describe
from reconciler_warehouse.config import WarehouseConfig
from reconciler_warehouse.observed import ObservedWarehouse
from reconciler_warehouse.site import Site
from reconciler_warehouse.upkeep import due, trash

if TYPE_CHECKING:
    from reconciler.providers.warehouse import (
        DataShareDescription,
        ExportedTable,
        ExportForm,
        OpenFile,
        SnapshotSchedule,
        StatementResult,
    )
    from reconciler.providers.workers import Workers
    from reconciler_warehouse.copies.sending import IncomingSnapshot, SnapshotOffer
    from reconciler_warehouse.engine import Engine

T = TypeVar("T")


class Warehouse(ObservedWarehouse):
    """An embedded warehouse: real keys, real ciphertext, on this machine. Building one touches nothing on disk."""

    protocol: ClassVar[str] = WAREHOUSE
    config_model: ClassVar[type[BaseModel]] = WarehouseConfig

    def __init__(self, config: BaseModel, services: ProviderServices, resolve: Resolve) -> None:
        chosen = WarehouseConfig.model_validate(config.model_dump(by_alias=True))
        super().__init__(Site(services, resolve, chosen.key_service, chosen.hsm, chosen.segments))
        self._site.pace = chosen.migration

    @property
    def account(self) -> str:
        """See ``WarehouseProvider.account``."""
        return self._site.account

    @property
    def region(self) -> str:
        """See ``WarehouseProvider.region``."""
        return self._site.region

    @property
    def provider_name(self) -> str:
        """See ``ReceivesSnapshots.provider_name``."""
        return self._site.provider_name

    def close(self) -> None:
        """See ``Plugin.close``."""
        self._site.close()

    def raise_fence(self) -> None:
        """See ``Fenced.raise_fence``."""
        self._site.raise_fence()

    def workers(self) -> Workers:
        """See ``RunsWorkers.workers``."""
        from reconciler_warehouse.distributed.group import Group  # few have any

        return Group(self._site)

    # --- changing -----------------------------------------------------------------------------------------------------

    def create_cluster(self, caller: Caller, request: ClusterRequest, *, token: str) -> ClusterDescription:
        """See ``WarehouseProvider.create_cluster``."""
        self._engine.create_cluster(caller, request, token)
        return self._cluster(request.name)

    def resize_cluster(self, caller: Caller, name: str, *, node_type: str, nodes: int) -> None:
        """See ``WarehouseProvider.resize_cluster``."""
        self._engine.resize_cluster(name, node_type, nodes)

    def modify_encryption(
        self, caller: Caller, name: str, root: Root, *, progress: Progress, token: str
    ) -> ClusterDescription:
        """See ``WarehouseProvider.modify_encryption``."""
        self._engine.modify_encryption(caller, name, root, progress, token)
        return self._cluster(name)

    def re_encrypt(self, caller: Caller, name: str, *, progress: Progress, token: str) -> ClusterDescription:
        """See ``ReEncrypts.re_encrypt``."""
        self._engine.re_encrypt(caller, name, progress, token)
        return self._cluster(name)

    def switch_root_alone(
        self, caller: Caller, name: str, root: Root, *, progress: Progress, token: str
    ) -> ClusterDescription:
        """See ``LeavesSnapshotsBehind.switch_root_alone``."""
        self._engine.switch_root_alone(caller, name, root, progress, token)
        return self._cluster(name)

    def rotate_encryption_key(self, caller: Caller, name: str, *, progress: Progress, token: str) -> ClusterDescription:
        """See ``WarehouseProvider.rotate_encryption_key``."""
        self._engine.rotate_encryption_key(caller, name, progress, token)
        return self._cluster(name)

    def set_escrow(self, caller: Caller, name: str, key_arn: str | None, *, token: str) -> None:
        """See ``KeepsEscrow.set_escrow``."""
        self._engine.set_escrow(caller, name, key_arn, token)

    def rename_cluster(self, caller: Caller, old: str, new: str, *, token: str) -> ClusterDescription:
        """See ``RenamesClusters.rename_cluster``."""
        self._engine.rename_cluster(caller, old, new, token)
        return self._cluster(new)

    def delete_cluster(self, caller: Caller, name: str) -> None:
        """See ``WarehouseProvider.delete_cluster``."""
        if self._exists():
            self._engine.delete_cluster(name)

    def load_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        backup: bool,
        progress: Progress,
        token: str,
        digests: Sequence[str] = (),
    ) -> LoadedTable:
        """See ``WarehouseProvider.load_table``. The digests make it idempotent, whatever the token."""
        self._engine.load_table(caller, name, table, files, digests=digests, backup=backup, progress=progress)
        return next(one for one in self._cluster(name).tables if one.name == table)

    def replace_table(
        self,
        caller: Caller,
        name: str,
        table: str,
        files: Sequence[Path],
        *,
        progress: Progress,
        token: str,
        digests: Sequence[str] = (),
    ) -> LoadedTable:
        """See ``ReplacesTables.replace_table``."""
        self._engine.replace_table(caller, name, table, files, digests=digests, progress=progress)
        return next(one for one in self._cluster(name).tables if one.name == table)

    def select(self, caller: Caller, name: str, statement: str) -> QueryResult:
        """See ``WarehouseProvider.select``."""
        self._refuse_strangers(caller, name)
        return self._engine.select(name, statement)

    def execute(self, caller: Caller, name: str, statement: str, *, open_file: OpenFile, token: str) -> StatementResult:
        """See ``ExecutesStatements.execute``."""
        self._refuse_strangers(caller, name)
        return self._engine.execute(caller, name, statement, open_file, token)

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
        self._refuse_strangers(caller, name)
        return self._engine.export_tables(caller, name, tables, folder, form=form, key_id=key_id, progress=progress)

    def create_data_share(
        self, caller: Caller, name: str, *, producer: str, consumer: str, tables: Sequence[str], token: str
    ) -> DataShareDescription:
        """See ``SharesData.create_data_share``."""
        self._refuse_strangers(caller, producer)
        self._engine.create_data_share(name, producer, consumer, tables, token)
        return self._found(self.describe_data_shares(caller, [name]))

    def alter_data_share(self, caller: Caller, name: str, *, tables: Sequence[str]) -> DataShareDescription:
        """See ``SharesData.alter_data_share``."""
        self._engine.alter_data_share(name, tables)
        return self._found(self.describe_data_shares(caller, [name]))

    def delete_data_share(self, caller: Caller, name: str) -> None:
        """See ``SharesData.delete_data_share``."""
        if self._exists():
            self._engine.delete_data_share(name)

    def create_snapshot(
        self, caller: Caller, cluster: str, name: str, *, retention_days: int | None, token: str
    ) -> SnapshotDescription:
        """See ``WarehouseProvider.create_snapshot``."""
        self._engine.snapshots.create_snapshot(caller, cluster, name, retention_days, token)
        return self._found(describe.snapshots(self._site, [name]))

    def set_snapshot_schedule(self, caller: Caller, name: str, schedule: SnapshotSchedule | None) -> None:
        """See ``SchedulesSnapshots.set_snapshot_schedule``."""
        self._engine.snapshots.set_snapshot_schedule(name, schedule)

    def do_due_work(self, caller: Caller, *, progress: Progress, leave: Collection[str] = ()) -> list[str]:
        """See ``DoesDueWork.do_due_work``. Most often there is nothing, and then no engine is loaded."""
        done = self._engine.do_due_work(caller, progress, leave) if due.anything(self._site) else []
        return [*done, *trash.told(self._site)]

    def restore_cluster(
        self, caller: Caller, request: ClusterRequest, snapshot: str, *, progress: Progress, token: str
    ) -> ClusterDescription:
        """See ``RestoresSnapshots.restore_cluster``."""
        self._engine.snapshots.restore_cluster(caller, request, snapshot, progress, token)
        return self._cluster(request.name)

    def restore_table(
        self, caller: Caller, cluster: str, snapshot: str, table: str, new_name: str, *, progress: Progress, token: str
    ) -> LoadedTable:
        """See ``RestoresSnapshots.restore_table``."""
        self._engine.snapshots.restore_table(caller, cluster, snapshot, table, new_name, progress, token)
        return next(one for one in self._cluster(cluster).tables if one.name == new_name)

    def delete_snapshot(self, caller: Caller, name: str) -> None:
        """See ``WarehouseProvider.delete_snapshot``."""
        if self._exists():
            self._engine.snapshots.delete_snapshot(name)

    def create_snapshot_copy_grant(self, caller: Caller, name: str, root: Root, *, token: str) -> CopyGrantDescription:
        """See ``WarehouseProvider.create_snapshot_copy_grant``."""
        self._engine.snapshots.create_copy_grant(caller, name, root, token)
        return self._found(describe.copy_grants(self._site, [name]))

    def delete_snapshot_copy_grant(self, caller: Caller, name: str) -> None:
        """See ``WarehouseProvider.delete_snapshot_copy_grant``."""
        if self._exists():
            self._engine.snapshots.delete_copy_grant(name)

    def enable_snapshot_copy(
        self, caller: Caller, cluster: str, destination: WarehouseProvider, *, grant: str | None, retention_days: int
    ) -> None:
        """See ``WarehouseProvider.enable_snapshot_copy``."""
        self._engine.snapshots.enable_copy(caller, cluster, destination, grant, retention_days)

    def disable_snapshot_copy(self, caller: Caller, cluster: str) -> None:
        """See ``WarehouseProvider.disable_snapshot_copy``."""
        if describe.clusters(self._site, [cluster]):
            self._engine.snapshots.disable_copy(cluster)

    def copy_snapshot(
        self, caller: Caller, snapshot: str, destination: WarehouseProvider, *, progress: Progress, token: str
    ) -> SnapshotDescription:
        """See ``WarehouseProvider.copy_snapshot``."""
        return self._engine.snapshots.copy_snapshot(caller, snapshot, destination, progress, token)

    def receive_snapshot(
        self, caller: Caller, offer: SnapshotOffer, *, token: str
    ) -> AbstractContextManager[IncomingSnapshot]:
        """See ``ReceivesSnapshots.receive_snapshot``."""
        return self._engine.snapshots.receive_snapshot(offer, token)

    def destroy_retired_cluster_keys(
        self, caller: Caller, key_ids: Collection[str], *, partition: str | None = None
    ) -> list[str]:
        """See ``RetiresClusterKeys.destroy_retired_cluster_keys``."""
        return self._engine.destroy_retired_cluster_keys(caller, key_ids, partition) if self._exists() else []

    def clear_up(self) -> None:
        """See ``ClearsUp.clear_up``."""
        if self._exists():
            self._engine.clear_up()

    def expire(self) -> list[str]:
        """See ``Expires.expire``. Most often there is nothing, and then no engine is loaded."""
        return self._engine.snapshots.expire() if describe.has_expired(self._site) else []

    def _refuse_strangers(self, caller: Caller, name: str) -> None:
        if caller.account != self.account:
            raise AccessDeniedException(
                f"User: {caller.principal} is not authorized to perform: redshift-data:ExecuteStatement on cluster "
                f"{name}, which belongs to account {self.account}",
                suggestion="Ask as a principal of that account (--as).",
            )

    @cached_property
    def _engine(self) -> Engine:
        from reconciler_warehouse.engine import Engine  # describing must not load cryptography

        return Engine(self._site)

    def _exists(self) -> bool:
        """Whether anything was ever made here: removing from nothing makes nothing."""
        with self._site.catalogue.read() as catalogue, self._site.keyring.read() as ring:
            return catalogue is not None or ring is not None

    def _cluster(self, name: str) -> ClusterDescription:
        return self._found(describe.clusters(self._site, [name]))

    def _found(self, descriptions: list[T]) -> T:
        if not descriptions:
            raise ResourceNotFoundException(
                f"What this call was about is gone from {self.region}: another process removed it meanwhile",
                suggestion="Run the command again.",
            )
        return descriptions[0]
