"""The kind, as the registry finds it."""

from reconciler.resources.key.diff import diff, due_at
from reconciler.resources.key.drift import drift
from reconciler.resources.key.existing import existing
from reconciler.resources.key.manifest import manifest
from reconciler.resources.key.observe import KeyObservation, observe
from reconciler.resources.key.recover import outcome, recover
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.key.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="Key",
    provider_protocol="keys",
    spec=KeySpec,
    observation=KeyObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    outcome=outcome,
    due_at=due_at,
    protected=True,
    existing=existing,
    manifest=manifest,
    verify=verify,
)
