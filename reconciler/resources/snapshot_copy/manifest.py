"""The manifest that would declare a cluster's copying as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.declared_again import reference
from reconciler.resources.kind import ManifestInput
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation


def manifest(given: ManifestInput[SnapshotCopyObservation]) -> Mapping[str, Any]:
    """The fields."""
    observed, cluster = given.observed, str(given.attributes["arn"])
    fields: dict[str, Any] = {
        "cluster": reference(given, "Cluster", cluster),
        "to": str(given.attributes["to"]),
        "retention": f"{observed.retention_days}d",
    }
    if observed.grant_name is not None:
        account = cluster.split(":")[4]
        arn = f"arn:aws:redshift:{observed.region}:{account}:snapshotcopygrant:{observed.grant_name}"
        fields["grant"] = reference(given, "SnapshotCopyGrant", arn)
    return fields
