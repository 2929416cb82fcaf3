"""What differs about a key's policy. Pure. Policies are equal when they mean the same (CONTRACT 6)."""

from __future__ import annotations

from reconciler.access.equality import policies_equal
from reconciler.model.change import DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.key_policy import steps
from reconciler.resources.key_policy.observe import KeyPolicyObservation
from reconciler.resources.key_policy.spec import KeyPolicySpec
from reconciler.resources.kind import DiffInput

Given = DiffInput[KeyPolicySpec, KeyPolicyObservation]


def diff(given: Given) -> Verdict:
    """The operations that give the key the declared policy."""
    existing = None if given.recorded is None else given.recorded.identity
    if given.desired is None:
        return _remove(given) if existing is not None and given.observed is not None else verdicts.NOTHING
    key = given.resolve(given.desired.key)
    same_key = key is not None and existing == str(key["arn"])
    if existing is not None and not same_key:
        return verdicts.blocked(
            "policy-moves",
            f"{given.address} is the policy of {existing}, and its manifest now names {given.desired.key}; a policy "
            "stays with its key",
            f"Declare a KeyPolicy of another name for {given.desired.key}.",
            f"Remove {given.address}: its key then gets the default policy.",
        )
    before = None if given.observed is None else given.observed.document
    if before is not None and policies_equal(before, given.desired.document):
        return verdicts.NOTHING
    step = _put(given, given.desired)
    entry = DiffEntry(path="spec.document", before=before, after=dict(given.desired.document))
    if existing is None:
        operation = Operation(
            verb=Verb.CREATE,
            reason="declared, and its key has the default policy",
            steps=(step,),
            impact=Impact(key_service_calls=1),
        )
        return verdicts.created(operation, diff=[entry])
    operation = Operation(
        verb=Verb.UPDATE,
        reason="the key's policy is not the declared one",
        steps=(step,),
        impact=Impact(key_service_calls=1),
    )
    return verdicts.changed([operation], [entry])


def replace(given: Given) -> Verdict:
    """The declared policy put once more. A key is never without one (KM2), so nothing is taken away before."""
    verdict = diff(given)
    if given.desired is None or verdict.operations or verdict.blocked:
        return verdict
    return verdicts.replaced((_put(given, given.desired),), calls=1)


def _put(given: Given, desired: KeyPolicySpec) -> steps.PutKeyPolicy:
    return steps.PutKeyPolicy(
        id="put-key-policy",
        summary=f"give {desired.key} this policy",
        address=given.address,
        provider=given.provider,
        key=desired.key,
        document=desired.document,
    )


def _remove(given: Given) -> Verdict:
    step = steps.PutDefaultKeyPolicy(
        id="put-default-policy",
        summary="give its key the default policy",
        address=given.address,
        provider=given.provider,
    )
    return verdicts.deleted(step, reason=given.removal_reason)
