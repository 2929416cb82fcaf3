"""A key as policies see it, changed in memory only: what may be done with it now, and what after a change (CONTRACT 5).

Decides with ``decision.decide``, as the key service does; only the policy, the grants and the aliases are those that a
plan would leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.access.caller import Caller
from reconciler.access.decision import Decision, decide
from reconciler.access.explanation import explain
from reconciler.access.grants import Grant, grantee_spellings
from reconciler.access.policy import Policy
from reconciler.access.principals import account_of, session_of, without_role_path
from reconciler.access.request import AccessRequest, GrantTerms, KeyFacts, Pairs, Values

Identities = Callable[[Caller], Sequence[Policy]]
_ALIASES = "kms:resourcealiases"


def caller_of(principal: str, account: str, via: str | None = None) -> Caller:
    """Who asks. A principal belongs to the account that its ARN names (KM7), a service to ``account``."""
    return Caller(principal=principal, account=account_of(principal) or account, via_service=via)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a key: an API name (``Decrypt``) and what of the request policies and grants look at."""

    caller: Caller
    operation: str
    context: Pairs | None = None
    grant: GrantTerms | None = None
    request_alias: str | None = None
    request_tags: Pairs | None = None
    attributes: Mapping[str, Values] = field(default_factory=dict)


class GrantsOfKey:
    """The grants of one key, found by grantee and by constraint: a service with a grant for each of its tables finds
    the table's own without looking at the others."""

    def __init__(self, grants: Iterable[Grant] = ()) -> None:
        self._by_id: dict[str, Grant] = {}
        self._exact: dict[tuple[str, frozenset[tuple[str, str]]], dict[str, Grant]] = {}
        self._of_grantee: dict[str, dict[str, Grant]] = {}
        for grant in grants:
            self.add(grant)

    def __iter__(self) -> Iterator[Grant]:
        return iter(self._by_id.values())

    def copy(self) -> GrantsOfKey:
        """Another with the same grants."""
        return GrantsOfKey(self)

    def add(self, grant: Grant) -> None:
        """From now on it stands."""
        grantee = grant.terms.grantee_principal
        self._by_id[grant.grant_id] = grant
        self._of_grantee.setdefault(grantee, {})[grant.grant_id] = grant
        self._exact.setdefault((grantee, _constraint(grant.terms)), {})[grant.grant_id] = grant

    def remove(self, grant_id: str) -> Grant | None:
        """It stands no more; None when it did not."""
        grant = self._by_id.pop(grant_id, None)
        if grant is not None:
            grantee = grant.terms.grantee_principal
            del self._of_grantee[grantee][grant_id]
            del self._exact[grantee, _constraint(grant.terms)][grant_id]
        return grant

    def candidates(self, caller: Caller, region: str, context: Pairs | None) -> Iterator[Grant]:
        """Those whose grantee can be the caller; those constrained to exactly ``context`` first."""
        spellings = grantee_spellings(caller.principal, caller.account, region)
        if context:
            wanted = frozenset(context.items())
            for name in spellings:
                yield from self._exact.get((name, wanted), {}).values()
        for name in spellings:
            yield from self._of_grantee.get(name, {}).values()
        session = session_of(caller.principal)
        if session is not None:  # whose role a grant may write with its path
            for name, grants in self._of_grantee.items():
                if name not in spellings and without_role_path(name) == session[0]:
                    yield from grants.values()


@dataclass(slots=True, kw_only=True)
class SimulatedKey:
    """``load_grants`` and ``load_aliases`` are asked when a decision first needs them. ``identities`` gives a caller's
    identity policies."""

    facts: KeyFacts
    policy: Policy
    identities: Identities
    load_grants: Callable[[], GrantsOfKey]
    load_aliases: Callable[[], Sequence[str]] = tuple
    _grants: GrantsOfKey | None = None
    _aliases: set[str] | None = None

    @property
    def grants(self) -> GrantsOfKey:
        """Its grants."""
        if self._grants is None:
            self._grants = self.load_grants()
        return self._grants

    @property
    def aliases(self) -> set[str]:
        """Its aliases."""
        if self._aliases is None:
            self._aliases = set(self.load_aliases())
        return self._aliases

    def copy(self) -> SimulatedKey:
        """The key as it is now, to compare with later."""
        return SimulatedKey(
            facts=self.facts,
            policy=self.policy,
            identities=self.identities,
            load_grants=self.load_grants,
            load_aliases=self.load_aliases,
            _grants=self.grants.copy(),
            _aliases=None if self._aliases is None else set(self._aliases),
        )

    def decide(self, request: Request, now: datetime) -> Decision:
        """What the key service would decide, and why."""
        # A generator: nobody is asked for grants where a policy decides.
        drawn = (grant for _ in (1,) for grant in self._candidates(request))
        return decide(self._asked(request, now), self.policy, self.identities(request.caller), drawn)

    def explain(self, request: Request, now: datetime) -> dict[str, Any]:
        """Every statement and grant, with what it says of the request (``explanation.explain``)."""
        held = self.identities(request.caller)
        return explain(self._asked(request, now), self.policy, held, self._distinct(request))

    def _distinct(self, request: Request) -> list[Grant]:
        return list({grant.grant_id: grant for grant in self._candidates(request)}.values())

    def _asked(self, request: Request, now: datetime) -> AccessRequest:
        key = self.facts
        if self.policy.asks_for(_ALIASES):
            key = replace(key, aliases=tuple(sorted(self.aliases)))
        return AccessRequest(
            caller=request.caller,
            action=f"kms:{request.operation}",
            now=now,
            key=key,
            context=request.context,
            grant=request.grant,
            request_alias=request.request_alias,
            request_tags=request.request_tags,
            attributes=request.attributes,
        )

    def _candidates(self, request: Request) -> Iterator[Grant]:
        return self.grants.candidates(request.caller, self.facts.region, request.context)


def sweeping_denials(policy: Policy) -> Policy:
    """The part of a policy that denies whatever else a request carries: its Deny statements without a condition."""
    denials = tuple(one for one in policy.statements if one.denies and not one.conditions)
    return Policy(denials, policy.identifier)


def _constraint(terms: GrantTerms) -> frozenset[tuple[str, str]]:
    pairs = terms.context_subset if terms.context_equals is None else terms.context_equals
    return frozenset((pairs or {}).items())
