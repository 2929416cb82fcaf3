"""A running provider as the protocol that a kind needs, or one clear refusal."""

from __future__ import annotations

from typing import cast

from reconciler.access.caller import Caller
from reconciler.access.principals import account_of
from reconciler.errors import MissingCapability
from reconciler.model.ports import Services
from reconciler.providers.data import RenamesClusters, ReplacesTables, TakesHsmRoots, WarehouseProvider
from reconciler.providers.hsm import HsmProvider, KeepsClusterKeys
from reconciler.providers.identities import HoldsIdentityPolicies
from reconciler.providers.key_material import ImportsKeyMaterial, ReplicatesKeys
from reconciler.providers.keys import HoldsPolicies, IssuesGrants, KeyProvider, NamesKeys, RotatesKeys
from reconciler.providers.proofs import ProvesTables, ProvesWarehouse
from reconciler.providers.requests import AnswersRequests
from reconciler.providers.tables import TableProvider
from reconciler.providers.warehouse import (
    ExportsTables,
    KeepsEscrow,
    LeavesSnapshotsBehind,
    ReEncrypts,
    RestoresSnapshots,
    SchedulesSnapshots,
    SharesData,
)
from reconciler.providers.workers import RunsWorkers, Workers


def key_provider(services: Services, name: str) -> KeyProvider:
    """The key provider of that manifest name (loading has checked that it is one)."""
    return cast(KeyProvider, services.provider(name))


def warehouse_provider(services: Services, name: str) -> WarehouseProvider:
    """The warehouse of that manifest name."""
    return cast(WarehouseProvider, services.provider(name))


def table_provider(services: Services, name: str) -> TableProvider:
    """The table service of that manifest name."""
    return cast(TableProvider, services.provider(name))


def hsm_provider(services: Services, name: str) -> HsmProvider:
    """The provider, as one that has partitions of an HSM; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, HsmProvider):
        return provider
    raise _missing(name, "keep keys in partitions")


def keeping_cluster_keys(services: Services, name: str) -> KeepsClusterKeys:
    """The provider, as one whose partitions may be roots of clusters; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, KeepsClusterKeys):
        return provider
    raise _missing(name, "keep keys of clusters")


def rotating_keys(services: Services, name: str) -> RotatesKeys:
    """The provider, as one that rotates keys; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, RotatesKeys):
        return provider
    raise _missing(name, "rotate keys")


def naming_keys(services: Services, name: str) -> NamesKeys:
    """The provider, as one that has aliases; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, NamesKeys):
        return provider
    raise _missing(name, "have aliases")


def holding_policies(services: Services, name: str) -> HoldsPolicies:
    """The provider, as one that has key policies; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, HoldsPolicies):
        return provider
    raise _missing(name, "have key policies")


def holding_identity_policies(services: Services, name: str) -> HoldsIdentityPolicies:
    """The provider, as one that keeps identity policies; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, HoldsIdentityPolicies):
        return provider
    raise _missing(name, "keep identity policies")


def issuing_grants(services: Services, name: str) -> IssuesGrants:
    """The provider, as one that issues grants; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, IssuesGrants):
        return provider
    raise _missing(name, "issue grants")


def importing_material(services: Services, name: str) -> ImportsKeyMaterial:
    """The provider, as one that takes key material from outside; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, ImportsKeyMaterial):
        return provider
    raise _missing(name, "take key material from outside")


def making_other_keys(services: Services, name: str, key_spec: str) -> AnswersRequests:
    """The provider, as one whose keys do more than encrypt: what else they are asked for is in the public requests;
    MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, AnswersRequests):
        return provider
    raise _missing(name, f"make keys of keySpec {key_spec}")


def replicating_keys(services: Services, name: str) -> ReplicatesKeys:
    """The provider, as one that has multi-Region keys; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, ReplicatesKeys):
        return provider
    raise _missing(name, "replicate keys")


def replacing_tables(services: Services, name: str) -> ReplacesTables:
    """The provider, as one that replaces what a table holds; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, ReplacesTables):
        return provider
    raise _missing(name, "replace the rows of a table")


def proving_warehouse(services: Services, name: str) -> ProvesWarehouse:
    """The warehouse, as one that proves its encryption; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, ProvesWarehouse):
        return provider
    raise _missing(name, "prove its encryption")


def proving_tables(services: Services, name: str) -> ProvesTables:
    """The table service, as one that proves its encryption; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, ProvesTables):
        return provider
    raise _missing(name, "prove its encryption")


def renaming_clusters(services: Services, name: str) -> RenamesClusters:
    """The provider, as one that renames clusters; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, RenamesClusters):
        return provider
    raise _missing(name, "rename clusters")


def exporting_tables(services: Services, name: str) -> ExportsTables:
    """The provider, as one that writes tables as files; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, ExportsTables):
        return provider
    raise _missing(name, "export tables")


def scheduling_snapshots(services: Services, name: str) -> SchedulesSnapshots:
    """The provider, as one that makes snapshots by itself; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, SchedulesSnapshots):
        return provider
    raise _missing(name, "make snapshots by itself")


def leaving_snapshots(services: Services, name: str) -> LeavesSnapshotsBehind:
    """The provider, as one that leaves snapshots under the key that they have; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, LeavesSnapshotsBehind):
        return provider
    raise _missing(name, "leave snapshots behind when a cluster gets another key")


def restoring_snapshots(services: Services, name: str) -> RestoresSnapshots:
    """The provider, as one that makes a cluster of a snapshot; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, RestoresSnapshots):
        return provider
    raise _missing(name, "restore snapshots")


def re_encrypting(services: Services, name: str) -> ReEncrypts:
    """The provider, as one that writes a cluster's data again under new keys; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, ReEncrypts):
        return provider
    raise _missing(name, "re-encrypt data")


def keeping_escrow(services: Services, name: str) -> KeepsEscrow:
    """The provider, as one that wraps keys a second time under an escrow key; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, KeepsEscrow):
        return provider
    raise _missing(name, "keep keys in escrow")


def sharing_data(services: Services, name: str) -> SharesData:
    """The provider, as one whose clusters query tables of others; MissingCapability."""
    provider = services.provider(name)
    if isinstance(provider, SharesData):
        return provider
    raise _missing(name, "share tables between clusters")


def running_workers(services: Services, name: str) -> Workers:
    """The workers of the provider; MissingCapability when it lets nobody do its work."""
    provider = services.provider(name)
    if isinstance(provider, RunsWorkers):
        return provider.workers()
    raise _missing(name, "let workers do its work")


def taking_hsm_roots(services: Services, name: str, node_type: str) -> None:
    """MissingCapability unless clusters of that node type may be rooted in an HSM there (HS8)."""
    provider = services.provider(name)
    if not (isinstance(provider, TakesHsmRoots) and provider.takes_hsm_root(node_type)):
        raise MissingCapability(
            f'Provider "{name}" does not root a cluster of nodeType {node_type} in an HSM (HS8)',
            suggestion="Name a key of the key service (`encryption.key`), or `owned: true`.",
        )


def _missing(name: str, does: str) -> MissingCapability:
    return MissingCapability(
        f'Provider "{name}" does not {does}',
        suggestion="Choose a provider that does, or remove what asks for it from the manifest.",
    )


def caller(services: Services, name: str) -> Caller:
    """Who calls through that provider. A principal's account is the one in its ARN, else the provider's (KM7)."""
    principal = services.principal(name)
    account = account_of(principal) or cast(KeyProvider, services.provider(name)).account
    return Caller(principal=principal, account=account)
