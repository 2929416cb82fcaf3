"""The kind, as the registry finds it."""

from reconciler.resources.hsm_partition.diff import diff, due_at
from reconciler.resources.hsm_partition.drift import drift
from reconciler.resources.hsm_partition.existing import existing
from reconciler.resources.hsm_partition.manifest import manifest
from reconciler.resources.hsm_partition.observe import HsmPartitionObservation, observe
from reconciler.resources.hsm_partition.recover import recover
from reconciler.resources.hsm_partition.retired_steps import outcome
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from reconciler.resources.hsm_partition.survey import survey
from reconciler.resources.hsm_partition.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="HsmPartition",
    provider_protocol="hsm",
    spec=HsmPartitionSpec,
    observation=HsmPartitionObservation,
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
)
