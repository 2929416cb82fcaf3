"""The kind, as the registry finds it."""

from reconciler.resources.kind import ResourceKind
from reconciler.resources.table.diff import diff
from reconciler.resources.table.drift import drift
from reconciler.resources.table.existing import existing
from reconciler.resources.table.manifest import manifest
from reconciler.resources.table.observe import TableObservation, observe
from reconciler.resources.table.recover import outcome, recover
from reconciler.resources.table.spec import TableSpec
from reconciler.resources.table.survey import survey
from reconciler.resources.table.verify import verify

KIND = ResourceKind(
    name="Table",
    provider_protocol="tables",
    spec=TableSpec,
    observation=TableObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    outcome=outcome,
    protected=True,
    takes_name=True,
    existing=existing,
    manifest=manifest,
    survey=survey,
    verify=verify,
)
