"""The manifest that would declare a snapshot as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.declared_again import reference
from reconciler.resources.kind import ManifestInput
from reconciler.resources.snapshot.observe import SnapshotObservation


def manifest(given: ManifestInput[SnapshotObservation]) -> Mapping[str, Any]:
    """The fields."""
    observed, days = given.observed, given.attributes.get("retention_days")
    arn = observed.arn.replace(":snapshot:", ":cluster:").partition("/")[0]
    # By uid first: the cluster may have been renamed since (SC1).
    cluster = reference(given, "Cluster", observed.cluster_uid, arn=arn)
    return {"cluster": cluster} if days is None else {"cluster": cluster, "retention": f"{days}d"}
