"""A partition of an HSM as a cluster's root: what a plan says of it, and what becomes of a cluster that it does not let
be made (HS5, HS6, HS8, HS9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from reconciler.access.caller import Caller
from reconciler.errors import HsmError, HsmFault, IncompatibleHsm
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.data import ClusterDescription, RootKind, WarehouseProvider
from reconciler.providers.hsm import Verification
from reconciler.providers.typed import taking_hsm_roots
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import WantedRoot
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import INCOMPATIBLE
from reconciler.resources.hsm_faults import explained
from reconciler.resources.kind import DiffInput

Given = DiffInput[ClusterSpec, ClusterObservation]
E = TypeVar("E", bound=HsmError)


def is_connection_only(given: Given, observed: ClusterObservation, wanted: WantedRoot) -> bool:
    """Whether it goes on with keys that the vendor's tools replicated to another partition, and nobody tries them
    (HS6). Kinds do not import each other, so this reads the one field that CONTRACT 1 gives to it."""
    if observed.root is not RootKind.HSM or wanted.partition is None:
        return False
    return bool(getattr(given.declared(wanted.partition), "verify", None) == Verification.CONNECTION_ONLY)


def untried(address: Address, wanted: WantedRoot) -> str:
    """What a plan warns of then."""
    return (
        f"{address} is moved to {wanted.partition}, whose `verify: connection-only` tries the connection alone: its "
        "keys must have been replicated there before. If no valid key is there, the next restart fails (HS6); "
        f"`reconciler verify {address}` tries them at once."
    )


def unverified(address: Address) -> str:
    """What a plan says of a cluster that was moved so, until its keys were tried."""
    return (
        f"The keys of {address} were not tried in its partition yet (`verify: connection-only`, HS6): `reconciler "
        f"verify {address}` does."
    )


def check_root(services: Services, provider: str, root: WantedRoot, node_type: str) -> None:
    """MissingCapability where that warehouse roots no such cluster in an HSM (HS8)."""
    if root.kind is RootKind.HSM:
        taking_hsm_roots(services, provider, node_type)


def of_partition(error: E, root: WantedRoot) -> E:
    """The same error, with what to do about the partition that it is about."""
    partition = None if root.partition is None else root.partition.address
    return error if partition is None else explained(error, partition)


def incompatible(warehouse: WarehouseProvider, who: Caller, name: str) -> ClusterDescription | None:
    """What is left of a cluster whose partition failed its checks (HS5); None when there is nothing."""
    found = warehouse.describe_clusters(who, [name])
    return found[0] if found and found[0].status == INCOMPATIBLE else None


def failure(error: HsmError, root: WantedRoot) -> dict[str, str]:
    """Why a cluster was not made, as the state keeps it until that is told."""
    told = of_partition(error, root)
    return {"fault": str(told.fault), "summary": told.summary, "suggestion": told.suggestion or ""}


def not_made(address: Address, why: Mapping[str, Any]) -> IncompatibleHsm:
    """The error that says so (HS5, HS9)."""
    summary = why.get("summary")
    return IncompatibleHsm(
        f"{address} is {INCOMPATIBLE}, and nothing of it was made" + (f": {summary}" if summary else ""),
        fault=HsmFault(why.get("fault") or HsmFault.REFUSED),
        address=address,
        suggestion=f"{why.get('suggestion') or 'Mend its HSM.'} Then apply again: that deletes what is left of the "
        "cluster and creates it.",
    )
