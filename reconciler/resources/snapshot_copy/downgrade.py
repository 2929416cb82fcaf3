"""Copies of a cluster under a customer-managed key do not fall to the owned key by omission (CONTRACT 5, I18)."""

from __future__ import annotations

from typing import Any

from reconciler.model.change import Block
from reconciler.resources.kind import DiffInput
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec
from reconciler.resources.spec import Spec

_KMS = "kms"


def downgrade_refused(
    given: DiffInput[SnapshotCopySpec, SnapshotCopyObservation], desired: SnapshotCopySpec
) -> Block | None:
    """The refusal where a grant is needed and none is named (SC2)."""
    if desired.grant is not None:
        return None
    if _root(given, desired) != _KMS:
        return None
    return Block(
        guard="silent-downgrade",
        reason=f"{desired.cluster} is under a customer-managed key, and {given.address} names no copy grant: its "
        "copies would fall to the owned key of the destination",
        way_out=(
            f"Declare a SnapshotCopyGrant whose provider is {desired.to.name}, with a Key of that Region "
            "(or without a key, if the owned one is meant).",
            "Name it in `spec.grant`.",
        ),
    )


def _root(given: DiffInput[SnapshotCopySpec, SnapshotCopyObservation], desired: SnapshotCopySpec) -> str | None:
    """The root that the cluster will have, as far as it is known: declared, else observed, else recorded."""
    declared = _declared_root(given.declared(desired.cluster))
    if declared is not None:
        return declared
    if given.observed is not None:
        return str(given.observed.cluster_root)
    recorded = given.resolve(desired.cluster)
    return None if recorded is None else recorded.get("root")


def _declared_root(cluster: Spec | None) -> str | None:
    """The kind of root that a manifest asks for, as far as it says; None where it is silent. Kinds do not import each
    other, so this reads the few fields that CONTRACT 1 gives to ``encryption``."""
    encryption: Any = getattr(cluster, "encryption", None)
    if encryption is None:
        return None
    return _KMS if getattr(encryption, "key", None) is not None else "another"
