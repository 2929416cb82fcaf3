"""The manifest that would declare a cluster as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import Undeclarable
from reconciler.providers.data import RootKind
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.declared_again import reference
from reconciler.resources.field_types import write_duration
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[ClusterObservation]) -> Mapping[str, Any]:
    """The fields. What its tables were loaded from is not known any more, and never loaded twice: the digests are.
    Undeclarable when its keys are lost."""
    observed = given.observed
    if observed.root is RootKind.LOST:
        raise Undeclarable(
            f"The keys of {observed.arn} are not where they should be, so nobody can tell under which root it is",
            suggestion="Put catalogue and key ring of its warehouse back from one backup.",
        )
    fields: dict[str, Any] = {
        "nodeType": observed.node_type,
        "nodes": observed.nodes,
        "database": observed.database,
        "encryption": {**_encryption(given, observed), **_escrow(given, observed)},
    }
    if observed.schedule is not None:
        every, retention = observed.schedule.every, observed.schedule.retention
        fields["snapshots"] = {"every": write_duration(every), "retention": write_duration(retention)}
    if observed.tables:
        fields["tables"] = [
            {"name": table.name} if table.backup else {"name": table.name, "backup": False} for table in observed.tables
        ]
    return fields


def _encryption(given: ManifestInput[ClusterObservation], observed: ClusterObservation) -> dict[str, Any]:
    if observed.root is RootKind.NONE:
        return {"enabled": False}
    if observed.root is RootKind.HSM and observed.partition is not None:
        return {"hsm": reference(given, "HsmPartition", observed.partition)}
    if observed.root is RootKind.OWNED or observed.key_arn is None:
        return {"owned": True}
    return {"key": reference(given, "Key", observed.key_arn)}


def _escrow(given: ManifestInput[ClusterObservation], observed: ClusterObservation) -> dict[str, Any]:
    if observed.escrow_arn is None or not observed.is_encrypted:
        return {}
    return {"escrow": reference(given, "Key", observed.escrow_arn)}
