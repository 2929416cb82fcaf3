"""Whether one key policy lets somebody do what another does not: asked by requests that both decide (CONTRACT 6).

The requests are made from the statements themselves: each principal, action and set of conditions that either policy
writes, and strangers beside them. Who is named only through an account is taken to hold an identity policy that allows
everything, for that is the most that a delegation can come to. A statement whose conditions cannot be met by anything
made here counts as wider: what cannot be tried is not called harmless.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reconciler.access.actions import SHARPEST_FIRST
from reconciler.access.caller import Caller
from reconciler.access.decision import decide
from reconciler.access.equality import canonical_policy
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.principals import Reach, account_of
from reconciler.access.request import AccessRequest, KeyFacts, Values
from reconciler.access.satisfying import NATURAL, listed, satisfying, without_wildcards

_EVERYTHING: Final = (parse_policy({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}, identity=True),)
_ABROAD: Final = "999999999999"
_TRIED: Final = 20_000  # requests; two policies of usual size make some hundred
_NARROWING: Final = frozenset({"kms:calleraccount", "kms:viaservice"})
_OWNERS: Final = ("kms:calleraccount", "aws:principalaccount")
_PRINCIPAL: Final = "aws:principalarn"


@dataclass(frozen=True, slots=True)
class Wider:
    """What is allowed now and was not, in words that name who and what."""

    words: str

    def __str__(self) -> str:
        return self.words


def wider(before: Mapping[str, Any], after: Mapping[str, Any], key: KeyFacts, now: datetime) -> Wider | None:
    """A request that ``after`` allows and ``before`` does not; None when there is none. Both were accepted by a key
    service.

    A statement for everybody that kms:CallerAccount and kms:ViaService narrow is not public, and widens nothing (KM2).
    """
    old, new = canonical_policy(before)[1], canonical_policy(after)[1]
    added = [one for one in _statements(after) if not canonical_policy({"Statement": one})[1] <= old]
    removed = [one for one in _statements(before) if not canonical_policy({"Statement": one})[1] <= new]
    suspects = [one for one in added if one.get("Effect") == "Allow" and not _is_narrowed(one)]
    suspects += [one for one in removed if one.get("Effect") == "Deny"]
    narrowed = [one for one in added if _is_narrowed(one)]
    rest = [one for one in _statements(after) if one not in narrowed]
    if not suspects or not rest:
        return None
    was, became = parse_policy(before), parse_policy({**after, "Statement": rest})
    world = _World(key=key, now=now, statements=(*_statements(before), *rest))
    tried = itertools.count(1)
    for suspect in suspects:
        found = _tried(suspect, was, became, world, tried)
        if found is not None:
            return found
    return None


def _tried(
    suspect: Mapping[str, Any], was: Policy, became: Policy, world: _World, tried: Iterator[int]
) -> Wider | None:
    statement = parse_policy({"Statement": suspect}).statements[0]
    name = str(suspect.get("Sid") or "without a Sid")
    unmet: set[str] = set()
    is_met = False
    for request in world.requests(suspect):
        if statement.reach(request) is Reach.NONE or not statement.concerns(request):
            continue
        if (missed := statement.unmet(request)) is not None:
            unmet.add(missed.key)
            continue
        is_met = True
        if next(tried) > _TRIED:
            return Wider(f"the statement {name} is too much to try out")
        if _allows(became, request) and not _allows(was, request):
            return Wider(_words(request))
    if not is_met and unmet - NATURAL:
        return Wider(f"what the statement {name} says, under conditions on {', '.join(sorted(unmet))}")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """All statements of both policies: who and what there is to ask with."""

    key: KeyFacts
    now: datetime
    statements: Sequence[Mapping[str, Any]]

    def requests(self, suspect: Mapping[str, Any]) -> Iterator[AccessRequest]:
        """Requests that ``suspect`` may speak of: under its conditions, also together with those under which another
        statement allows."""
        bases: list[Mapping[str, Values]] = [{}]
        bases += [base for one in self.statements if one.get("Effect") == "Allow" for base in satisfying(one)[:2]]
        ways = [
            dict(way)
            for way in {tuple(sorted({**base, **own}.items())) for base in bases for own in satisfying(suspect)}
        ]
        ways.sort(key=lambda way: (len(way), sorted(way.items())))
        for attributes, principal, action in itertools.product(ways, self._principals(), self._actions()):
            caller = Caller(principal=principal, account=account_of(principal) or self.key.account)
            yield AccessRequest(caller=caller, action=action, now=self.now, key=self.key, attributes=attributes)

    def _actions(self) -> list[str]:
        written = {str(action) for one in self.statements for action in listed(one.get("Action", []))}
        known = {action.lower() for action in SHARPEST_FIRST}
        return [
            *SHARPEST_FIRST,
            *sorted(one for one in written if "*" not in one and "?" not in one and one.lower() not in known),
        ]

    def _principals(self) -> list[str]:
        accounts, names = {self.key.account, _ABROAD}, set[str]()
        for one in self.statements:
            principal = one.get("Principal", one.get("NotPrincipal", {}))
            kinds = principal if isinstance(principal, Mapping) else {}
            names |= {str(name) for name in (*listed(kinds.get("AWS", [])), *listed(kinds.get("Service", [])))}
            for keys in (one.get("Condition") or {}).values():
                for key, values in keys.items():
                    if key.lower() in _OWNERS:
                        accounts |= {without_wildcards(str(value)) for value in listed(values)}
                    elif key.lower() == _PRINCIPAL:
                        names |= {str(value) for value in listed(values)}
        named = {without_wildcards(name) for name in names if ":" in name or name.endswith(".amazonaws.com")}
        accounts |= {name for name in names if name.isdigit()}
        accounts |= {account for name in named if (account := account_of(name)) is not None}
        strangers = {f"arn:aws:iam::{account}:user/somebody" for account in accounts if len(account) == 12}
        return [*sorted(named), *sorted(strangers)]


def _allows(policy: Policy, request: AccessRequest) -> bool:
    return decide(request, policy, () if request.caller.is_service else _EVERYTHING).allowed


def _words(request: AccessRequest) -> str:
    under = " and ".join(f"{name} {', '.join(values)}" for name, values in sorted(request.attributes.items()) if values)
    return f"{request.caller.principal} may {request.action}" + (f" with {under}" if under else "")


def _is_narrowed(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    everybody = principal == "*" or (isinstance(principal, Mapping) and listed(principal.get("AWS", [])) == ["*"])
    keys = {
        key.lower()
        for operator, written in (statement.get("Condition") or {}).items()
        if operator in ("StringEquals", "StringLike", "StringEqualsIgnoreCase")
        for key, values in written.items()
        if "*" not in listed(values)
    }
    return statement.get("Effect") == "Allow" and everybody and keys >= _NARROWING


def _statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(listed(document.get("Statement", [])))
