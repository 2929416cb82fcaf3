"""The decision on one request, and which statement or grant made it (KM2, KM3, KM7; DESIGN 5).

In this order:

1. an explicit Deny in the key policy or in an identity policy of the caller;
2. a key policy statement that names the caller itself (or anybody, or the service);
3. a key policy statement that names the caller's account: it delegates to the account's identity policies, so one of
   those must allow as well;
4. a grant.

Otherwise the request is denied. An account's root principal holds, by nature, an identity policy that allows
everything. A caller of another account needs, beside 2, 3 or 4, an identity policy that allows (KM7). A service that
calls on nobody's behalf has no identity policies and needs none. All pure: the plan simulates with the same function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.access.grants import Grant
from reconciler.access.policy import Policy, Statement
from reconciler.access.principals import Reach, is_account_root, service_family
from reconciler.access.request import AccessRequest

OWNED_KEY_ACTIONS = frozenset(
    {
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
    }
)


class Effect(StrEnum):
    """What was decided."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit-deny"
    IMPLICIT_DENY = "implicit-deny"


class Source(StrEnum):
    """Where the deciding word stands."""

    KEY_POLICY = "key-policy"
    IDENTITY_POLICY = "identity-policy"
    GRANT = "grant"
    OWNER = "owner"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Decision:
    """``statement`` names the deciding statement (Sid or ``#place``), ``policy`` the identity policy that it stands in
    (None: the key's, or one without a name), ``grant_id`` the deciding grant; ``reason`` is the sentence a person
    reads, for an implicit deny with the closest miss; ``lacks`` is where an Allow was missing then.
    ``explanation.explain`` tells of every statement and grant."""

    effect: Effect
    source: Source
    reason: str
    statement: str | None = None
    grant_id: str | None = None
    policy: str | None = None
    lacks: Source = Source.KEY_POLICY

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.effect is Effect.ALLOW


_NO_WORD = Decision(Effect.IMPLICIT_DENY, Source.NOTHING, "no identity policy")


def decide(
    request: AccessRequest, policy: Policy, identity: Sequence[Policy] = (), grants: Iterable[Grant] = ()
) -> Decision:
    """Decide ``request`` on a customer-managed key. ``grants`` are those of the key, and are only drawn when no policy
    decides; ``identity`` are the caller's own policies."""
    direct: Statement | None = None
    delegating: Statement | None = None
    for statement in policy.statements:
        reach = statement.reach(request)
        if reach is Reach.NONE or not statement.concerns(request) or statement.unmet(request):
            continue
        if statement.denies:
            return _denied(request, statement, Source.KEY_POLICY)
        if reach is Reach.DIRECT:
            direct = direct or statement
        else:
            delegating = delegating or statement
    caller = request.caller
    own = decide_identity(request, identity) if identity or is_account_root(caller.principal) else _NO_WORD
    if own.effect is Effect.EXPLICIT_DENY:
        return own
    abroad = request.key is not None and caller.account != request.key.account
    needs_own = abroad and not caller.is_service
    if direct and (own.allowed or not needs_own):
        return _allowed(request, Source.KEY_POLICY, direct.name)
    if delegating and own.allowed:
        return Decision(
            Effect.ALLOW,
            Source.IDENTITY_POLICY,
            f'statement "{delegating.name}" of the key policy delegates to the account, and {own.reason}',
            statement=own.statement,
            policy=own.policy,
        )
    missed: Grant | None = None
    for grant in grants:
        if grant.permits(request) and (own.allowed or not (needs_own or grant.reach(caller) is Reach.ACCOUNT)):
            reason = f"grant {grant.grant_id} allows {request.action}"
            return Decision(Effect.ALLOW, Source.GRANT, reason, grant_id=grant.grant_id)
        if grant.covers(request):
            missed = missed or grant
    half = direct or delegating
    lacks = Source.IDENTITY_POLICY if half else Source.KEY_POLICY
    return Decision(Effect.IMPLICIT_DENY, Source.NOTHING, _closest_miss(request, policy, half, missed), lacks=lacks)


def decide_identity(request: AccessRequest, identity: Sequence[Policy]) -> Decision:
    """Decide by the caller's own policies alone: requests on the account (``kms:CreateKey``, ``kms:ListKeys``)."""
    allowing: tuple[Statement, Policy] | None = None
    for policy in identity:
        for statement in policy.statements:
            if statement.concerns(request) and not statement.unmet(request):
                if statement.denies:
                    return _denied(request, statement, Source.IDENTITY_POLICY, policy.name)
                allowing = allowing or (statement, policy)
    if allowing:
        return _allowed(request, Source.IDENTITY_POLICY, allowing[0].name, allowing[1].name)
    if is_account_root(request.caller.principal):
        return Decision(Effect.ALLOW, Source.IDENTITY_POLICY, f"the account's root principal may {request.action}")
    return Decision(
        Effect.IMPLICIT_DENY,
        Source.NOTHING,
        f"no identity policy of {request.caller.principal} allows {request.action}",
        lacks=Source.IDENTITY_POLICY,
    )


def decide_owned(request: AccessRequest, owner: str) -> Decision:
    """Decide on a service-owned key (KM8): its service may use it, on its own or for anybody, and nobody may manage
    it."""
    caller = request.caller
    service = caller.principal if caller.is_service else caller.via_service
    if service is None or service_family(service) != owner:
        reason = f"the key is owned by {owner}, which alone may use it"
        return Decision(Effect.IMPLICIT_DENY, Source.OWNER, reason)
    if request.action not in OWNED_KEY_ACTIONS:
        reason = f"the key is owned by {owner}; {request.action} is not possible on it"
        return Decision(Effect.IMPLICIT_DENY, Source.OWNER, reason)
    return Decision(Effect.ALLOW, Source.OWNER, f"{owner} owns the key")


def _allowed(request: AccessRequest, source: Source, name: str, policy: str | None = None) -> Decision:
    reason = f'statement "{name}" of the {_words(source, policy)} allows {request.action}'
    return Decision(Effect.ALLOW, source, reason, statement=name, policy=policy)


def _denied(request: AccessRequest, statement: Statement, source: Source, policy: str | None = None) -> Decision:
    reason = f'statement "{statement.name}" of the {_words(source, policy)} denies {request.action}'
    return Decision(Effect.EXPLICIT_DENY, source, reason, statement=statement.name, policy=policy)


_WORDS = {Source.KEY_POLICY: "key policy", Source.IDENTITY_POLICY: "identity policy"}


def _words(source: Source, policy: str | None) -> str:
    return _WORDS[source] if policy is None else f'{_WORDS[source]} "{policy}"'


def _closest_miss(
    request: AccessRequest, policy: Policy, without_identity: Statement | None, missed: Grant | None
) -> str:
    """Which statement or grant came nearest to allowing, and what kept it from doing so."""
    action, principal = request.action, request.caller.principal
    if missed:
        return f"grant {missed.grant_id} allows {action} to {principal}, but not under the terms of this request"
    if without_identity:
        return (
            f'statement "{without_identity.name}" of the key policy allows {action} only together with an identity '
            f"policy of {principal}, and none allows it"
        )
    nearest, best = f"no statement of the key policy names {principal} and no grant allows {action}", 0
    for statement in policy.statements:
        if statement.denies:
            continue
        names_caller, concerns = statement.reach(request) is not Reach.NONE, statement.concerns(request)
        unmet = statement.unmet(request)
        if names_caller and concerns and unmet and best < 3:
            best = 3
            nearest = f'statement "{statement.name}" would allow {action}, but its condition {unmet.written} is not met'
        elif names_caller and not concerns and best < 2:
            best = 2
            nearest = f'statement "{statement.name}" names {principal}, but not the action {action}'
        elif concerns and not names_caller and best < 1:
            best = 1
            nearest = f'statement "{statement.name}" allows {action}, but not to {principal}'
    return nearest
