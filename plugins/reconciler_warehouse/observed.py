"""What a warehouse says of itself and proves: all the calls that change nothing, but that keys were tried (HS6)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.access.caller import Caller
from reconciler.model.due_work import DueWork
from reconciler.providers.data import (
    ClusterDescription,
    CopyGrantDescription,
    KeyUse,
    Root,
    SnapshotDescription,
)
from reconciler.providers.hsm import RetiredClusterKey
from reconciler.providers.inspection import HeldGrant, KeyVersion, PlaintextFound
from reconciler.providers.key_access import Dependent, KeyAccess
from reconciler_warehouse import census, describe
from reconciler_warehouse.site import Site

if TYPE_CHECKING:
    from reconciler.providers.proofs import Check, Witness
    from reconciler.providers.warehouse import ChangeEstimate, ChangeProgress, ClusterEvent, DataShareDescription


class ObservedWarehouse:
    """The part of ``Warehouse`` that anybody may ask at any time."""

    def __init__(self, site: Site) -> None:
        self._site = site

    # --- looking: no key, no engine, nothing written ------------------------------------------------------------------

    def find_cluster(self, caller: Caller, *, token: str) -> ClusterDescription | None:
        """See ``WarehouseProvider.find_cluster``."""
        return next(iter(describe.clusters(self._site, token=token)), None)

    def describe_clusters(self, caller: Caller, names: Collection[str] | None = None) -> list[ClusterDescription]:
        """See ``WarehouseProvider.describe_clusters``."""
        return describe.clusters(self._site, names)

    def describe_snapshots(self, caller: Caller, names: Collection[str] | None = None) -> list[SnapshotDescription]:
        """See ``WarehouseProvider.describe_snapshots``."""
        return describe.snapshots(self._site, names)

    def describe_snapshot_copy_grants(
        self, caller: Caller, names: Collection[str] | None = None
    ) -> list[CopyGrantDescription]:
        """See ``WarehouseProvider.describe_snapshot_copy_grants``."""
        return describe.copy_grants(self._site, names)

    def key_uses(self, key_arn: str | None = None) -> list[KeyUse]:
        """See ``CountsKeyUses.key_uses``."""
        return census.key_uses(self._site, key_arn)

    def held_grants(self) -> list[HeldGrant]:
        """See ``HoldsGrants.held_grants``."""
        from reconciler_warehouse import looking

        return looking.held_grants(self._site)

    def key_versions(self) -> list[KeyVersion]:
        """See ``CountsKeyVersions.key_versions``."""
        from reconciler_warehouse import looking

        return looking.key_versions(self._site)

    def plaintext_found(self) -> list[PlaintextFound]:
        """See ``SamplesStorage.plaintext_found``."""
        from reconciler_warehouse import looking

        return looking.plaintext_found(self._site)

    def due_work(self, caller: Caller, *, at: datetime, leave: Collection[str] = ()) -> list[DueWork]:
        """See ``ListsDueWork.due_work``."""
        from reconciler_warehouse.upkeep import due_listing

        return due_listing.due_work(self._site, at, leave)

    def takes_hsm_root(self, node_type: str) -> bool:
        """See ``TakesHsmRoots.takes_hsm_root``: on every node type (HS8)."""
        return True

    def retired_cluster_keys(self) -> list[RetiredClusterKey]:
        """See ``RetiresClusterKeys.retired_cluster_keys``."""
        from reconciler_warehouse.keys import cluster_keys

        return cluster_keys.retired(self._site)

    def needed_cluster_keys(self, key_ids: Collection[str]) -> list[str]:
        """See ``RetiresClusterKeys.needed_cluster_keys``."""
        from reconciler_warehouse.keys import cluster_keys

        return cluster_keys.needed(self._site, key_ids)

    def list_dependents(self, key_arn: str) -> Sequence[Dependent]:
        """See ``StatesKeyAccess.list_dependents``."""
        from reconciler_warehouse import key_access

        return key_access.dependents(self._site, key_arn)

    def list_accesses_to_adopt(self, what: str, name: str) -> Sequence[KeyAccess]:
        """See ``StatesKeyAccess.list_accesses_to_adopt``."""
        from reconciler_warehouse import key_access

        return key_access.adopting(self._site, what, name)

    def manifest_tags(self, versions: Mapping[str, int]) -> Mapping[str, str]:
        """See ``RemembersManifests.manifest_tags``."""
        return describe.manifest_tags(self._site, versions)

    def events(self, name: str, *, limit: int = 20) -> list[ClusterEvent]:
        """See ``TellsEvents.events``."""
        from reconciler_warehouse import events

        return events.told(self._site, name, limit)

    def estimate_change(self, name: str) -> ChangeEstimate | None:
        """See ``EstimatesChanges.estimate_change``."""
        from reconciler_warehouse.online import estimate

        return estimate.estimate_change(self._site, name)

    def change_progress(self, name: str) -> ChangeProgress | None:
        """See ``EstimatesChanges.change_progress``."""
        from reconciler_warehouse.online import estimate

        return estimate.change_progress(self._site, name)

    def describe_data_shares(self, caller: Caller, names: Collection[str] | None = None) -> list[DataShareDescription]:
        """See ``SharesData.describe_data_shares``."""
        from reconciler_warehouse import shares_told

        return shares_told.described(self._site, names)

    # --- proving: keys are used, nothing is changed (but that they were tried, HS6) -----------------------------------

    def prove_cluster(self, caller: Caller, name: str, root: Root, witness: Witness) -> Iterator[Check]:
        """See ``ProvesWarehouse.prove_cluster``. The warehouse asks the key service as itself, as a query does."""
        from reconciler_warehouse.proofs import proving

        return proving.cluster(self._site, name, root, witness)

    def prove_snapshot(self, caller: Caller, name: str, root: Root | None, witness: Witness) -> Iterator[Check]:
        """See ``ProvesWarehouse.prove_snapshot``."""
        from reconciler_warehouse.proofs import proving

        return proving.snapshot(self._site, name, root, witness)

    def prove_copy_grant(self, caller: Caller, name: str, root: Root, witness: Witness) -> Iterator[Check]:
        """See ``ProvesWarehouse.prove_copy_grant``."""
        from reconciler_warehouse.proofs import proving

        return proving.copy_grant(self._site, name, root, witness)

    def prove_store(self, caller: Caller, witness: Witness) -> Iterator[Check]:
        """See ``ProvesWarehouse.prove_store``."""
        from reconciler_warehouse.proofs import proving

        return proving.store(self._site, witness)
