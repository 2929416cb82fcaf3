"""The kind, as the registry finds it."""

from reconciler.resources.identity_policy.diff import diff, replace
from reconciler.resources.identity_policy.drift import drift
from reconciler.resources.identity_policy.existing import existing
from reconciler.resources.identity_policy.manifest import manifest
from reconciler.resources.identity_policy.observe import IdentityPolicyObservation, observe
from reconciler.resources.identity_policy.recover import recover
from reconciler.resources.identity_policy.spec import IdentityPolicySpec
from reconciler.resources.identity_policy.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="IdentityPolicy",
    provider_protocol="keys",
    spec=IdentityPolicySpec,
    observation=IdentityPolicyObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    takes_name=True,
    of_account=True,
    replace=replace,
    existing=existing,
    manifest=manifest,
    verify=verify,
)
