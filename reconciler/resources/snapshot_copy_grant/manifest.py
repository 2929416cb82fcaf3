"""The manifest that would declare a snapshot copy grant as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.providers.data import RootKind
from reconciler.resources.declared_again import reference
from reconciler.resources.kind import ManifestInput
from reconciler.resources.snapshot_copy_grant.observe import SnapshotCopyGrantObservation


def manifest(given: ManifestInput[SnapshotCopyGrantObservation]) -> Mapping[str, Any]:
    """The fields; none for the owned key."""
    observed = given.observed
    if observed.root is RootKind.OWNED or observed.key_arn is None:
        return {}
    return {"key": reference(given, "Key", observed.key_arn)}
