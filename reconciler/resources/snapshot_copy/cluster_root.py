"""The cluster that is copied: its root and its name, what they are and what this plan makes them.

Copies of a cluster under a customer-managed key do not fall to the owned key by omission (CONTRACT 5, I18), and a
cluster that is being encrypted will have a first snapshot (RE10).
"""

from __future__ import annotations

from typing import Any

from reconciler.model.change import Block
from reconciler.model.readdress import MARK
from reconciler.providers.data import RootKind
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec

Given = DiffInput[SnapshotCopySpec, SnapshotCopyObservation]
_ONES_OWN = {RootKind.KMS: "under a customer-managed key", RootKind.HSM: "rooted in an HSM"}


def downgrade_refused(given: Given, desired: SnapshotCopySpec) -> Block | None:
    """The refusal where a grant is needed and none is named (SC2)."""
    if desired.grant is not None:
        return None
    root = _declared_root(given, desired) or _present_root(given, desired)
    if root not in _ONES_OWN:
        return None
    return Block(
        guard="silent-downgrade",
        reason=f"{desired.cluster} is {_ONES_OWN[root]}, and {given.address} names no copy grant: its "
        "copies would fall to the owned key of the destination",
        way_out=(
            f"Declare a SnapshotCopyGrant whose provider is {desired.to.name}, with a Key of that Region "
            "(or without a key, if the owned one is meant).",
            "Name it in `spec.grant`.",
        ),
    )


def is_being_encrypted(given: Given, desired: SnapshotCopySpec, observed: SnapshotCopyObservation) -> bool:
    """Whether this plan encrypts the cluster."""
    if observed.cluster_root is not RootKind.NONE:
        return False
    return _declared_root(given, desired) in (RootKind.KMS, RootKind.HSM, RootKind.OWNED)


def is_being_renamed(given: Given, desired: SnapshotCopySpec) -> bool:
    """Whether this plan gives the cluster another name: its row says that it had another address, and its manifest
    asks for another name than it has."""
    recorded, address = given.resolve(desired.cluster), desired.cluster.address
    declared = given.declared(desired.cluster)
    if recorded is None or address is None or declared is None or MARK not in recorded:
        return False
    return name_of(recorded) != (declared.external_name or address.name)


def _present_root(given: Given, desired: SnapshotCopySpec) -> RootKind | None:
    """Observed, else recorded; None where neither is known."""
    if given.observed is not None:
        return given.observed.cluster_root
    recorded = given.resolve(desired.cluster)
    root = None if recorded is None else recorded.get("root")
    return None if root is None else RootKind(root)


def _declared_root(given: Given, desired: SnapshotCopySpec) -> RootKind | None:
    """What the cluster's manifest asks for; None where it is silent, or there is none. Kinds do not import each other,
    so this reads the few fields that CONTRACT 1 gives to ``encryption``."""
    encryption: Any = getattr(given.declared(desired.cluster), "encryption", None)
    if encryption is None:
        return None
    if getattr(encryption, "key", None) is not None:
        return RootKind.KMS
    if getattr(encryption, "hsm", None) is not None:
        return RootKind.HSM
    return RootKind.OWNED if getattr(encryption, "enabled", True) else RootKind.NONE
