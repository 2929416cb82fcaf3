"""The kind, as the registry finds it."""

from reconciler.resources.key_policy.diff import diff, replace
from reconciler.resources.key_policy.drift import drift
from reconciler.resources.key_policy.existing import existing
from reconciler.resources.key_policy.manifest import manifest
from reconciler.resources.key_policy.observe import KeyPolicyObservation, observe
from reconciler.resources.key_policy.recover import recover
from reconciler.resources.key_policy.spec import KeyPolicySpec
from reconciler.resources.key_policy.survey import survey
from reconciler.resources.key_policy.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="KeyPolicy",
    provider_protocol="keys",
    spec=KeyPolicySpec,
    observation=KeyPolicyObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    completes=0,
    replace=replace,
    existing=existing,
    manifest=manifest,
    survey=survey,
    verify=verify,
)
