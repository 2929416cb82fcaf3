"""A decision in full: every statement and grant that was looked at, and why it did or did not speak (DESIGN 5).

The answer is plain data, ready for ``json.dumps``: what ``access check`` shows, what a plan's refusals point at, and
what an explain trace in the audit keeps. It holds names, conditions and values of condition keys; a request's
encryption context is in clear there as it is in every record (KM4), and no key, plaintext or token is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from reconciler.access.conditions import Condition
from reconciler.access.decision import Decision, decide
from reconciler.access.grants import Grant
from reconciler.access.policy import Policy, Statement
from reconciler.access.principals import Reach
from reconciler.access.request import AccessRequest

MOST_GRANTS: Final = 100  # of a key with thousands: the deciding one, and the first of the others


def explain(
    request: AccessRequest, policy: Policy, identity: Sequence[Policy] = (), grants: Iterable[Grant] = ()
) -> dict[str, Any]:
    """The decision that ``decide`` makes, with the trace that led to it.

    ``statements`` and ``grants`` each have an ``outcome``: ``allows``, ``denies``, ``delegates`` (it names the account,
    whose own policies have to allow as well), or why it does not speak of the request: ``other-principal``,
    ``other-action``, ``other-resource``, ``condition-not-met``, ``other-operation``, ``other-context``.
    """
    drawn = list(grants)
    decision = decide(request, policy, identity, drawn)
    shown = sorted(drawn, key=lambda grant: grant.grant_id != decision.grant_id)[:MOST_GRANTS]
    return {
        **_verdict(request, decision),
        "keyPolicy": [_of_statement(request, one) for one in policy.statements],
        "identityPolicies": [_of_policy(request, one) for one in identity],
        "grants": [_of_grant(request, grant) for grant in shown],
        "grantsNotShown": len(drawn) - len(shown),
    }


def told(trace: dict[str, Any]) -> Iterator[str]:
    """The trace as lines of text: a statement or grant each; nothing of an empty one."""
    for one in trace.get("keyPolicy", ()):
        yield f'key policy, statement "{one["statement"]}" ({one["effect"]}): {one["why"]}'
    for policy in trace.get("identityPolicies", ()):
        name = f' "{policy["policy"]}"' if policy["policy"] else ""
        for one in policy["statements"]:
            yield f'identity policy{name}, statement "{one["statement"]}" ({one["effect"]}): {one["why"]}'
    for one in trace.get("grants", ()):
        yield f"grant {one['grantId']}: {one['why']}"
    if trace.get("grantsNotShown"):
        yield f"and {trace['grantsNotShown']} more grants"


def _verdict(request: AccessRequest, decision: Decision) -> dict[str, Any]:
    caller = request.caller
    return {
        "principal": caller.principal,
        "account": caller.account,
        "viaService": caller.via_service,
        "action": request.action,
        "resource": request.resource if request.key is None else request.key.arn,
        "encryptionContext": None if request.context is None else dict(request.context),
        "allowed": decision.allowed,
        "effect": str(decision.effect),
        "source": str(decision.source),
        "statement": decision.statement,
        "policy": decision.policy,
        "grantId": decision.grant_id,
        "reason": decision.reason,
    }


def _of_policy(request: AccessRequest, policy: Policy) -> dict[str, Any]:
    return {"policy": policy.name, "statements": [_of_statement(request, one) for one in policy.statements]}


def _of_statement(request: AccessRequest, statement: Statement) -> dict[str, Any]:
    outcome, why = _outcome(request, statement)
    found: dict[str, Any] = {
        "statement": statement.name,
        "effect": "Deny" if statement.denies else "Allow",
        "outcome": outcome,
        "why": why,
    }
    if outcome == "condition-not-met":
        found["conditions"] = [_of_condition(request, one) for one in statement.conditions]
    return found


def _outcome(request: AccessRequest, statement: Statement) -> tuple[str, str]:
    reach = statement.reach(request)
    if reach is Reach.NONE:
        return "other-principal", f"it does not name {request.caller.principal}"
    if not statement.names_action(request):
        return "other-action", f"it does not name {request.action}"
    if not statement.names_resource(request):
        return "other-resource", "it speaks of another resource"
    unmet = statement.unmet(request)
    if unmet is not None:
        return "condition-not-met", f"its condition {unmet.written} is not met: {_carried(request, unmet)}"
    return _spoken(request, statement, reach)


def _spoken(request: AccessRequest, statement: Statement, reach: Reach) -> tuple[str, str]:
    if statement.denies:
        return "denies", f"it denies {request.action}"
    if reach is Reach.ACCOUNT:
        return "delegates", "it names the account, so an identity policy of the caller has to allow as well"
    return "allows", f"it allows {request.action}"


def _of_condition(request: AccessRequest, condition: Condition) -> dict[str, Any]:
    return {
        "condition": condition.written,
        "met": condition.met(request),
        "requestHas": list(condition.read(request)),
    }


def _carried(request: AccessRequest, condition: Condition) -> str:
    values = condition.read(request)
    return f"the request has {', '.join(values)}" if values else "the request does not have it"


def _of_grant(request: AccessRequest, grant: Grant) -> dict[str, Any]:
    outcome, why = _outcome_of_grant(request, grant)
    return {
        "grantId": grant.grant_id,
        "grantee": grant.terms.grantee_principal,
        "operations": list(grant.terms.operations),
        "outcome": outcome,
        "why": why,
    }


def _outcome_of_grant(request: AccessRequest, grant: Grant) -> tuple[str, str]:
    reach = grant.reach(request.caller)
    if reach is Reach.NONE:
        return "other-principal", f"its grantee is {grant.terms.grantee_principal}"
    if not grant.holds(request):
        return "other-operation", f"it does not hold {request.action.removeprefix('kms:')}"
    if grant.permits(request):
        if reach is Reach.ACCOUNT:
            return "delegates", "its grantee is the account, so an identity policy of the caller has to allow as well"
        return "allows", f"it allows {request.action}"
    return _outside_terms(request, grant)


def _outside_terms(request: AccessRequest, grant: Grant) -> tuple[str, str]:
    if request.action == "kms:CreateGrant":
        return "other-operation", "it passes on only what it holds itself, under terms at least as strict"
    if grant.terms.source_arn is not None:
        return "other-context", f"it is for {grant.terms.source_arn}, and for its constraint's encryption context"
    return "other-context", "the encryption context of the request does not satisfy its constraint"
