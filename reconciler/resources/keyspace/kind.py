"""The kind, as the registry finds it."""

from reconciler.resources.keyspace.diff import diff
from reconciler.resources.keyspace.drift import drift
from reconciler.resources.keyspace.existing import existing
from reconciler.resources.keyspace.manifest import manifest
from reconciler.resources.keyspace.observe import KeyspaceObservation, observe
from reconciler.resources.keyspace.spec import KeyspaceSpec
from reconciler.resources.keyspace.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="Keyspace",
    provider_protocol="tables",
    spec=KeyspaceSpec,
    observation=KeyspaceObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    takes_name=True,
    existing=existing,
    manifest=manifest,
    verify=verify,
)
