"""How a lockout is told: who, what, why, and the ordered way out (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.access.caller import Caller
from reconciler.access.decision import Decision, Effect, Source
from reconciler.access.simulation import Request
from reconciler.model.address import Address
from reconciler.model.change import Block
from reconciler.providers.key_access import Dependent
from reconciler.resources.reference import Reference

LOCKOUT = "policy-lockout"
PERMISSION = "key-permission"
ROOT = "unusable-root"
_MOST_NAMED = 10

_ENDS = {
    "Decrypt": "be opened",
    "GenerateDataKey": "have its keys rotated",
    "ReEncryptFrom": "go to another key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Something that works and would not any more; ``blamed`` is the resource whose change takes it away."""

    dependent: Dependent
    request: Request
    decision: Decision
    blamed: Address


def refused(request: Request, decision: Decision) -> str:
    """Who may not do what, and what decided it."""
    return f"{_who(request.caller)} may not {request.operation} with it, because {decision.reason}"


def _who(caller: Caller) -> str:
    return caller.principal if caller.via_service is None else f"{caller.principal} through {caller.via_service}"


def author_locked_out(address: Address, key: Reference, request: Request, decision: Decision) -> Block:
    """The public lockout safety check: whoever puts a policy must be able to put another."""
    principal = request.caller.principal
    return Block(
        guard=LOCKOUT,
        reason=f"{address} would keep its own author from ever changing the policy of {key} again: {principal} may not "
        f"PutKeyPolicy, because {decision.reason}",
        way_out=(
            _spare(decision, principal, "kms:PutKeyPolicy"),
            "Or act as a principal that the new policy lets put a policy: --as ARN.",
        ),
    )


def no_administrator(address: Address, key: Reference, account: str) -> Block:
    """Only principals of other accounts would be left."""
    return Block(
        guard=LOCKOUT,
        reason=f"{address} leaves nobody in account {account} who may put another policy on {key}",
        way_out=(f"Let a principal of account {account}, or its root, call kms:PutKeyPolicy.",),
    )


def dependents_locked_out(address: Address, key: str, broken: Sequence[Broken], *, is_policy: bool) -> Block:
    """What works today and would not after the change: of the policy, or of a grant."""
    by_object: dict[tuple[str, str], list[Broken]] = {}
    for one in broken:
        by_object.setdefault((one.dependent.what, one.dependent.name), []).append(one)
    told = [_told(each) for each in list(by_object.values())[:_MOST_NAMED]]
    if len(by_object) > _MOST_NAMED:
        told.append(f"and {len(by_object) - _MOST_NAMED} more")
    first = broken[0]
    is_denied = is_policy and first.decision.effect is Effect.EXPLICIT_DENY
    return Block(
        guard=LOCKOUT,
        reason=f"{address} would lock out what needs {key}: {'; '.join(told)}",
        way_out=(
            _keep(address, first, is_denied=is_denied),
            "Or put what needs the key under another one first, and apply; then make this change.",
            *(() if is_policy else (f"Or accept the outage: run the command again with --accept-outage {address}.",)),
        ),
    )


def _told(each: Sequence[Broken]) -> str:
    first = each[0]
    ends = " nor ".join(_ENDS.get(one.request.operation, one.request.operation) for one in each)
    return (
        f"{first.dependent.what} {first.dependent.name} could not {ends} ({_who(first.request.caller)}: "
        f"{first.decision.reason})"
    )


def _keep(address: Address, first: Broken, *, is_denied: bool) -> str:
    who, action = _who(first.request.caller), f"kms:{first.request.operation}"
    if is_denied:
        return _spare(first.decision, who, action)
    return f"Keep {address} as it is, or let the key policy allow {who} {action} before it goes."


def _spare(decision: Decision, who: str, action: str) -> str:
    if decision.effect is Effect.EXPLICIT_DENY and decision.source is Source.IDENTITY_POLICY:
        return f'Narrow statement "{decision.statement}" (Condition, Resource, fewer actions), or drop it.'
    if decision.effect is Effect.EXPLICIT_DENY:
        return f'Spare {who} in statement "{decision.statement}" (Condition, NotPrincipal, fewer actions), or drop it.'
    return f"Add a statement that allows {who} {action}."


def step_locked_out(address: Address, waiting: Address, key: Reference, request: Request, described: str) -> Block:
    """A change takes away what a later step of the same plan needs."""
    return Block(
        guard=LOCKOUT,
        reason=f"{address} would keep {waiting} from its change of {key} in this plan: {described}",
        way_out=(
            f"Let {_who(request.caller)} call kms:{request.operation} on it.",
            f"Or apply {waiting} first, without this change: --exclude {address}.",
        ),
    )


def not_permitted(key: Reference, request: Request, described: str) -> Block:
    """Refused today already, and told before anything is done."""
    return Block(
        guard=PERMISSION,
        reason=f"{key} cannot be used for this: {described}",
        way_out=(
            f"Let the key policy or a grant allow {_who(request.caller)} kms:{request.operation}, or",
            "act as a principal that may: --as ARN.",
        ),
    )


def unusable_root(key: Reference, cause: str, way_out: str) -> Block:
    """A root that the data plane would refuse."""
    return Block(guard=ROOT, reason=f"{key} cannot be the root: {cause}", way_out=(way_out,))


def grant_denied(address: Address, request: Request, decision: Decision) -> Block:
    """A declared grant that its grantee could never use."""
    return Block(
        guard=LOCKOUT,
        reason=f"{address} lets {request.caller.principal} {request.operation}, and {decision.reason} to it",
        way_out=(
            _spare(decision, request.caller.principal, f"kms:{request.operation}"),
            f"Or remove {address}, and apply; then make this change.",
        ),
    )


def identity_not_permitted(address: Address, principal: str, action: str, decision: Decision) -> Block:
    """Who plans may not change identity policies."""
    return Block(
        guard=PERMISSION,
        reason=f"{address} cannot be changed: {principal} may not {action}, because {decision.reason}",
        way_out=(f"Let an identity policy of {principal} allow {action}, or", "act as a principal that may: --as ARN."),
    )


def identity_author_locked_out(address: Address, principal: str, action: str, decision: Decision) -> Block:
    """Whoever changes identity policies must be able to change them back."""
    return Block(
        guard=LOCKOUT,
        reason=f"{address} would keep its own author from ever changing it again: {principal} may not {action}, "
        f"because {decision.reason}",
        way_out=(
            _spare(decision, principal, action),
            "Or act as a principal that keeps the permission: --as ARN.",
        ),
    )


def manager_locked_out(address: Address, key: str, request: Request, decision: Decision) -> Block:
    """A Provider's principal could no longer manage a key."""
    who = _who(request.caller)
    first = f"Or name {who} in the key policy of {key} first, and apply; then make this change."
    is_denied = decision.effect is Effect.EXPLICIT_DENY
    return Block(
        guard=LOCKOUT,
        reason=f"{address} would keep {who} from managing {key}: {refused(request, decision)}",
        way_out=(_spare(decision, who, f"kms:{request.operation}"), *(() if is_denied else (first,))),
    )


def need_locked_out(address: Address, who: Address, key: str, request: Request, decision: Decision) -> Block:
    """A resource rests on what a principal may do with a key, and that would end."""
    return Block(
        guard=LOCKOUT,
        reason=f"{address} would take from {who} what it is for: {_who(request.caller)} could no longer "
        f"{request.operation} with {key}, because {decision.reason}",
        way_out=(
            _spare(decision, _who(request.caller), f"kms:{request.operation}"),
            f"Or remove {who}, and apply; then make this change.",
        ),
    )


def unread(text: str) -> str:
    """A key about which nothing could be learnt."""
    return f"Who would be locked out was not checked for a key whose policy or grants cannot be read: {text}"


def unreachable(provider: str) -> str:
    """A data provider that could not be asked."""
    return f"Whatever Provider/{provider} holds could not be asked for; whether it would be locked out is not known."
