"""The kind, as the registry finds it."""

from reconciler.resources.grant.diff import diff, replace
from reconciler.resources.grant.drift import drift
from reconciler.resources.grant.existing import existing
from reconciler.resources.grant.manifest import manifest
from reconciler.resources.grant.needs import needs
from reconciler.resources.grant.observe import GrantObservation, observe
from reconciler.resources.grant.recover import recover
from reconciler.resources.grant.spec import GrantSpec
from reconciler.resources.grant.survey import survey
from reconciler.resources.grant.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="Grant",
    provider_protocol="keys",
    spec=GrantSpec,
    observation=GrantObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    needs=needs,
    completes=1,
    replace=replace,
    existing=existing,
    manifest=manifest,
    survey=survey,
    verify=verify,
)
