"""The kind, as the registry finds it."""

from reconciler.resources.kind import ResourceKind
from reconciler.resources.snapshot_copy.diff import diff, replace
from reconciler.resources.snapshot_copy.drift import drift
from reconciler.resources.snapshot_copy.existing import existing
from reconciler.resources.snapshot_copy.manifest import manifest
from reconciler.resources.snapshot_copy.observe import SnapshotCopyObservation, observe
from reconciler.resources.snapshot_copy.recover import outcome, recover
from reconciler.resources.snapshot_copy.spec import SnapshotCopySpec
from reconciler.resources.snapshot_copy.verify import verify

KIND = ResourceKind(
    name="SnapshotCopy",
    provider_protocol="warehouse",
    spec=SnapshotCopySpec,
    observation=SnapshotCopyObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    outcome=outcome,
    replace=replace,
    existing=existing,
    manifest=manifest,
    verify=verify,
)
