"""The kind, as the registry finds it."""

from reconciler.resources.kind import ResourceKind
from reconciler.resources.snapshot.diff import diff, due_at, replace
from reconciler.resources.snapshot.drift import drift
from reconciler.resources.snapshot.existing import existing
from reconciler.resources.snapshot.manifest import manifest
from reconciler.resources.snapshot.observe import SnapshotObservation, observe
from reconciler.resources.snapshot.spec import SnapshotSpec
from reconciler.resources.snapshot.survey import survey
from reconciler.resources.snapshot.verify import verify

KIND = ResourceKind(
    name="Snapshot",
    provider_protocol="warehouse",
    spec=SnapshotSpec,
    observation=SnapshotObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    due_at=due_at,
    protected=True,
    completes=0,
    takes_name=True,
    is_over=lambda last_seen, now: last_seen.expires_at is not None and last_seen.expires_at <= now,
    replace=replace,
    existing=existing,
    manifest=manifest,
    survey=survey,
    verify=verify,
)
