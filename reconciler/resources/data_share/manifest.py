"""The manifest that would declare a share as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.data_share.observe import DataShareObservation
from reconciler.resources.declared_again import reference
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[DataShareObservation]) -> Mapping[str, Any]:
    """The fields."""
    observed = given.observed
    place = ":".join(observed.arn.split(":")[:5])
    return {
        "producer": reference(given, "Cluster", f"{place}:cluster:{observed.producer}"),
        "tables": list(observed.tables),
        "consumer": reference(given, "Cluster", f"{place}:cluster:{observed.consumer}"),
    }
