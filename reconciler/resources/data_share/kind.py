"""The kind, as the registry finds it."""

from reconciler.resources.data_share.diff import diff, replace
from reconciler.resources.data_share.drift import drift
from reconciler.resources.data_share.existing import existing
from reconciler.resources.data_share.manifest import manifest
from reconciler.resources.data_share.observe import DataShareObservation, observe
from reconciler.resources.data_share.recover import recover
from reconciler.resources.data_share.spec import DataShareSpec
from reconciler.resources.data_share.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="DataShare",
    provider_protocol="warehouse",
    spec=DataShareSpec,
    observation=DataShareObservation,
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
