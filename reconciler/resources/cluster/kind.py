"""The kind, as the registry finds it."""

from reconciler.resources.cluster.adopting import as_done
from reconciler.resources.cluster.describe import describe
from reconciler.resources.cluster.diff import diff, due_at
from reconciler.resources.cluster.drift import drift
from reconciler.resources.cluster.existing import existing
from reconciler.resources.cluster.manifest import manifest
from reconciler.resources.cluster.observe import ClusterObservation, observe
from reconciler.resources.cluster.recover import outcome, recover
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.survey import survey
from reconciler.resources.cluster.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="Cluster",
    provider_protocol="warehouse",
    spec=ClusterSpec,
    observation=ClusterObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    outcome=outcome,
    due_at=due_at,
    protected=True,
    takes_name=True,
    existing=existing,
    manifest=manifest,
    survey=survey,
    verify=verify,
    as_done=as_done,
    describe=describe,
)
