"""The kind, as the registry finds it."""

from reconciler.resources.alias.diff import diff, replace
from reconciler.resources.alias.drift import drift
from reconciler.resources.alias.existing import existing
from reconciler.resources.alias.manifest import manifest
from reconciler.resources.alias.observe import AliasObservation, observe
from reconciler.resources.alias.recover import recover
from reconciler.resources.alias.spec import AliasSpec
from reconciler.resources.alias.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="Alias",
    provider_protocol="keys",
    spec=AliasSpec,
    observation=AliasObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    takes_name=True,
    replace=replace,
    existing=existing,
    manifest=manifest,
    verify=verify,
)
