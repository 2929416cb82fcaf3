"""What differs about a grant. Pure. A grant cannot be changed: it is replaced, the new one first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.model.change import KNOWN_AFTER_APPLY, Action, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.resources import verdicts
from reconciler.resources.grant import steps
from reconciler.resources.grant.observe import GrantObservation
from reconciler.resources.grant.spec import SYMMETRIC, GrantSpec, impossible
from reconciler.resources.kind import DiffInput

Given = DiffInput[GrantSpec, GrantObservation]
ONE_CALL = Impact(key_service_calls=1)


def diff(given: Given) -> Verdict:
    """The operations that leave exactly the declared grant."""
    existing = None if given.recorded is None else given.recorded.identity
    if given.desired is None:
        if existing is None or given.recorded is None:
            return verdicts.NOTHING
        step = _revoke(given, str(given.recorded.attributes["key_arn"]), existing, is_last=True)
        removal = Operation(verb=Verb.DELETE, reason=given.removal_reason, steps=(step,), revokes=(existing,))
        return Verdict(action=Action.DELETE, operations=(removal,))
    return _of_another_sort(given, given.desired) or _declared(given, given.desired, existing)


def _declared(given: Given, desired: GrantSpec, existing: str | None) -> Verdict:
    wanted = _wanted(given, desired)
    if existing is None or given.recorded is None or given.observed is None:
        reason = "declared, and not there yet" if existing is None else "it was revoked behind our back"
        operation = Operation(verb=Verb.GRANT, reason=reason, steps=(_create(given, desired, None),), impact=ONE_CALL)
        return verdicts.created(
            operation, diff=[DiffEntry(path=path, before=None, after=value) for path, value in wanted.items() if value]
        )
    leftover = given.recorded.attributes.get("replaces")
    key_arn = str(given.recorded.attributes["key_arn"])
    has = _has(given.observed)
    differing = verdicts.differences({path: (has[path], wanted[path]) for path in wanted})
    if differing:
        why = "it allows something else than its manifest; a grant cannot be changed"
        return _new_before_old(given, desired, existing, key_arn, why=why, shown=differing)
    if leftover is not None:
        retire = Operation(
            verb=Verb.RETIRE,
            reason="an interrupted apply left the grant that this one replaced",
            steps=(_verify(given, desired), _revoke(given, key_arn, str(leftover), is_last=False)),
            impact=ONE_CALL,
        )
        return verdicts.changed([retire], [])
    return verdicts.NOTHING


def _of_another_sort(given: Given, desired: GrantSpec) -> Verdict | None:
    """The refusal of what the declared key cannot do at all; of a replica its primary says what it is."""
    key: Any = given.declared(desired.key)
    if getattr(key, "replica_of", None) is not None:
        key = given.declared(key.replica_of)
    if key is None:
        return None
    sort = f"{desired.key} is {key.key_spec} for {key.key_usage}"
    action = Action.CREATE if given.recorded is None else Action.NOOP
    not_done = impossible(desired.operations, key.key_spec, key.key_usage)
    if not_done:
        return verdicts.blocked(
            "grant-operations",
            f"{given.address} grants {', '.join(not_done)}, and {sort}, which cannot do that",
            "Grant operations that the key has, or name another key.",
            action=action,
        )
    if desired.constraints is not None and key.key_spec != SYMMETRIC:
        return verdicts.blocked(
            "grant-operations",
            f"{given.address} is limited to an encryption context, and {sort}, which takes none",
            "Remove spec.constraints, or name a symmetric key.",
            action=action,
        )
    return None


def replace(given: Given) -> Verdict:
    """The same grant once more: the new one is made and read back before the old one goes (``--replace``)."""
    verdict, recorded = diff(given), given.recorded
    if verdict.operations or given.desired is None or recorded is None or recorded.identity is None:
        return verdict
    key_arn = str(recorded.attributes["key_arn"])
    return _new_before_old(given, given.desired, recorded.identity, key_arn, why="--replace asks for it")


def _new_before_old(
    given: Given, desired: GrantSpec, existing: str, key_arn: str, *, why: str, shown: Sequence[DiffEntry] = ()
) -> Verdict:
    grant = Operation(verb=Verb.GRANT, reason=why, steps=(_create(given, desired, existing),), impact=ONE_CALL)
    retire = Operation(
        verb=Verb.RETIRE,
        reason="the new grant takes its place",
        steps=(_verify(given, desired), _revoke(given, key_arn, existing, is_last=False)),
        impact=ONE_CALL,
    )
    return Verdict(action=Action.REPLACE, operations=(grant, retire), diff=tuple(shown))


def _wanted(given: Given, desired: GrantSpec) -> dict[str, Any]:
    key = given.resolve(desired.key)
    constraints = desired.constraints
    subset = None if constraints is None else constraints.encryption_context_subset
    equals = None if constraints is None else constraints.encryption_context_equals
    return {
        "spec.key": KNOWN_AFTER_APPLY if key is None else str(key["arn"]),
        "spec.granteePrincipal": desired.grantee_principal,
        "spec.retiringPrincipal": desired.retiring_principal,
        "spec.operations": sorted(desired.operations),
        "spec.constraints.encryptionContextSubset": None if subset is None else dict(subset),
        "spec.constraints.encryptionContextEquals": None if equals is None else dict(equals),
    }


def _has(observed: GrantObservation) -> dict[str, Any]:
    return {
        "spec.key": observed.key_arn,
        "spec.granteePrincipal": observed.grantee_principal,
        "spec.retiringPrincipal": observed.retiring_principal,
        "spec.operations": list(observed.operations),
        "spec.constraints.encryptionContextSubset": observed.context_subset,
        "spec.constraints.encryptionContextEquals": observed.context_equals,
    }


def _create(given: Given, desired: GrantSpec, replaces: str | None) -> steps.CreateGrant:
    constraints = desired.constraints
    return steps.CreateGrant(
        id="create-grant",
        summary=f"grant {desired.grantee_principal} {', '.join(desired.operations)} on {desired.key}",
        address=given.address,
        provider=given.provider,
        key=desired.key,
        grantee_principal=desired.grantee_principal,
        retiring_principal=desired.retiring_principal,
        operations=tuple(desired.operations),
        context_subset=None if constraints is None else constraints.encryption_context_subset,
        context_equals=None if constraints is None else constraints.encryption_context_equals,
        replaces=replaces,
    )


def _verify(given: Given, desired: GrantSpec) -> steps.VerifyGrant:
    constraints = desired.constraints
    return steps.VerifyGrant(
        id="verify-grant",
        summary="read the new grant back, and see that it allows what it is to allow",
        address=given.address,
        provider=given.provider,
        key=desired.key,
        grantee_principal=desired.grantee_principal,
        operations=tuple(desired.operations),
        context_subset=None if constraints is None else constraints.encryption_context_subset,
        context_equals=None if constraints is None else constraints.encryption_context_equals,
    )


def _revoke(given: Given, key_arn: str, grant_id: str, *, is_last: bool) -> steps.RevokeGrant:
    return steps.RevokeGrant(
        id="revoke-grant",
        summary=f"revoke the grant {grant_id[:12]}…",
        address=given.address,
        provider=given.provider,
        key_arn=key_arn,
        grant_id=grant_id,
        is_last=is_last,
        accepts_outage=given.accepts_outage,
    )
