"""What differs about an identity policy. Pure. Policies are equal when they mean the same (CONTRACT 6)."""

from __future__ import annotations

from reconciler.access.equality import policies_equal
from reconciler.model.change import DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.identity_policy import steps
from reconciler.resources.identity_policy.held import Held
from reconciler.resources.identity_policy.observe import IdentityPolicyObservation
from reconciler.resources.identity_policy.spec import IdentityPolicySpec
from reconciler.resources.kind import DiffInput

Given = DiffInput[IdentityPolicySpec, IdentityPolicyObservation]
NO_KEYS = Impact()


def diff(given: Given) -> Verdict:
    """The operations that let the principal hold the declared policy."""
    existing = None if given.recorded is None or given.recorded.identity is None else given.recorded.identity
    if given.desired is None:
        if existing is None or given.observed is None:
            return verdicts.NOTHING
        return verdicts.deleted(_take_away(given, Held.of(existing)), reason=given.removal_reason)
    wanted = Held(given.desired.principal, given.name)
    if existing is None or given.observed is None:
        reason = "declared, and not there yet" if existing is None else "it was removed behind our back"
        entry = DiffEntry(path="spec.document", before=None, after=dict(given.desired.document))
        return verdicts.created(_operation(Verb.CREATE, reason, _put(given, given.desired)), diff=[entry])
    return _compare(given, given.desired, given.observed, Held.of(existing), wanted)


def _compare(
    given: Given, desired: IdentityPolicySpec, observed: IdentityPolicyObservation, existing: Held, wanted: Held
) -> Verdict:
    if existing != wanted:
        return _moved(given, desired, observed, existing, wanted)
    operations, entries = [], []
    if not policies_equal(observed.document, desired.document):
        operations.append(_operation(Verb.UPDATE, "the policy is not the declared one", _put(given, desired)))
        entries.append(DiffEntry(path="spec.document", before=observed.document, after=dict(desired.document)))
    leftover = None if given.recorded is None else given.recorded.attributes.get("replaces")
    if leftover is not None:
        gone = _take_away(given, Held.of(str(leftover)), is_last=False)
        operations.append(_operation(Verb.RETIRE, "an interrupted apply left the one that it takes the place of", gone))
    return verdicts.changed(operations, entries)


def _moved(
    given: Given, desired: IdentityPolicySpec, observed: IdentityPolicyObservation, existing: Held, wanted: Held
) -> Verdict:
    """Another principal, or another name: the new one is there before the old one goes."""
    entries = []
    if existing.principal != wanted.principal:
        entries.append(DiffEntry(path="spec.principal", before=existing.principal, after=wanted.principal))
    if existing.name != wanted.name:
        entries.append(DiffEntry(path="spec.externalName", before=existing.name, after=wanted.name))
    if not policies_equal(observed.document, desired.document):
        entries.append(DiffEntry(path="spec.document", before=observed.document, after=dict(desired.document)))
    who = existing.principal if existing.principal != wanted.principal else f"the name {existing.name}"
    made = _operation(
        Verb.UPDATE,
        f"its manifest moves it from {who}; the new one is put first",
        _put(given, desired, replaces=existing.identity),
    )
    gone = _operation(Verb.RETIRE, "the new one takes its place", _take_away(given, existing, is_last=False))
    return verdicts.changed([made, gone], entries)


def replace(given: Given) -> Verdict:
    """The declared policy put once more: nobody is without it for a moment."""
    verdict = diff(given)
    if given.desired is None or verdict.operations or verdict.blocked:
        return verdict
    return verdicts.replaced((_put(given, given.desired),), calls=0)


def _operation(verb: Verb, reason: str, step: steps.IdentityPolicyStep) -> Operation:
    return Operation(verb=verb, reason=reason, steps=(step,), impact=NO_KEYS)


def _put(given: Given, desired: IdentityPolicySpec, replaces: str | None = None) -> steps.PutIdentityPolicy:
    return steps.PutIdentityPolicy(
        id="put-identity-policy",
        summary=f"give {desired.principal} this policy",
        address=given.address,
        provider=given.provider,
        principal=desired.principal,
        name=given.name,
        document=desired.document,
        replaces=replaces,
    )


def _take_away(given: Given, held: Held, *, is_last: bool = True) -> steps.DeleteIdentityPolicy:
    return steps.DeleteIdentityPolicy(
        id="delete-identity-policy",
        summary=f"take the policy {held.name} from {held.principal}",
        address=given.address,
        provider=given.provider,
        principal=held.principal,
        name=held.name,
        is_last=is_last,
    )
