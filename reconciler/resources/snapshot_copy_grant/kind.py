"""The kind, as the registry finds it."""

from reconciler.resources.kind import ResourceKind
from reconciler.resources.snapshot_copy_grant.diff import diff, replace
from reconciler.resources.snapshot_copy_grant.drift import drift
from reconciler.resources.snapshot_copy_grant.existing import existing
from reconciler.resources.snapshot_copy_grant.manifest import manifest
from reconciler.resources.snapshot_copy_grant.observe import SnapshotCopyGrantObservation, observe
from reconciler.resources.snapshot_copy_grant.spec import SnapshotCopyGrantSpec
from reconciler.resources.snapshot_copy_grant.verify import verify

KIND = ResourceKind(
    name="SnapshotCopyGrant",
    provider_protocol="warehouse",
    spec=SnapshotCopyGrantSpec,
    observation=SnapshotCopyGrantObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    takes_name=True,
    replace=replace,
    existing=existing,
    manifest=manifest,
    verify=verify,
)
