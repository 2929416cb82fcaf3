"""The manifest that would declare a keyspace as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.declared_again import said
from reconciler.resources.keyspace.observe import KeyspaceObservation
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[KeyspaceObservation]) -> Mapping[str, Any]:
    """The fields. The label that the state records goes before the one that it was made with."""
    label = given.attributes.get("replication") or given.observed.replication
    return said({"replicationClass": label}, replicationClass="SingleRegionStrategy")
