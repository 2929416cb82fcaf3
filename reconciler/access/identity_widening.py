"""Whether one identity policy lets its holder do what another does not, asked by requests that both decide.

An identity policy may name any resource and any service's actions. So the requests are for each key that either policy
names, for a key that none names, and for each action that either writes, of whatever service.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from reconciler.access.actions import SHARPEST_FIRST
from reconciler.access.caller import Caller
from reconciler.access.decision import decide_identity
from reconciler.access.equality import canonical_policy
from reconciler.access.parsing import parse_policy
from reconciler.access.principals import account_of
from reconciler.access.request import AccessRequest, KeyFacts, Values
from reconciler.access.satisfying import NATURAL, listed, satisfying, without_wildcards
from reconciler.access.widening import Wider

_TRIED: Final = 20_000
_ELSEWHERE: Final = "arn:aws:kms:eu-west-1:{account}:key/00000000-0000-4000-8000-000000000000"
_ANY_SERVICE: Final = "iam:PutRolePolicy"


def wider_identity(before: Mapping[str, Any], after: Mapping[str, Any], principal: str, now: datetime) -> Wider | None:
    """A request that ``after`` allows and ``before`` does not; None when there is none. A condition that nothing made
    here can meet counts as wider: what cannot be tried is not called harmless."""
    was, became = parse_policy(before, identity=True), parse_policy(after, identity=True)
    who = Caller(principal=principal, account=account_of(principal) or "")
    for request in probes([before, after], who, now):
        if decide_identity(request, [became]).allowed and not decide_identity(request, [was]).allowed:
            return Wider(_words(request))
    return _untried(before, after, who, now)


def probes(documents: Sequence[Mapping[str, Any]], who: Caller, now: datetime) -> Iterator[AccessRequest]:
    """Requests that the policies may speak of, by what their statements write."""
    statements = [one for document in documents for one in listed(document.get("Statement", []))]
    ways: list[Mapping[str, Values]] = [{}]
    ways += [way for one in statements for way in satisfying(one)]
    distinct = {tuple(sorted(way.items())): way for way in ways}
    written = {str(action) for one in statements for part in _ACTION_PARTS for action in listed(one.get(part, []))}
    actions = dict.fromkeys((*SHARPEST_FIRST, _ANY_SERVICE, *sorted(map(_action, written))))
    asked = itertools.product(distinct.values(), _resources(statements, who.account), actions)
    for attributes, (key, resource), action in itertools.islice(asked, _TRIED):
        yield AccessRequest(caller=who, action=action, now=now, key=key, resource=resource, attributes=attributes)


_ACTION_PARTS: Final = ("Action", "NotAction")


def _action(written: str) -> str:
    """An action that the pattern covers."""
    return "iam:any" if written == "*" else without_wildcards(written)


def _resources(statements: Sequence[Mapping[str, Any]], account: str) -> list[tuple[KeyFacts | None, str | None]]:
    named = {
        without_wildcards(str(resource))
        for one in statements
        for part in ("Resource", "NotResource")
        for resource in listed(one.get(part, []))
        if resource != "*"
    }
    found: list[tuple[KeyFacts | None, str | None]] = [(_key(_ELSEWHERE.format(account=account)), None), (None, None)]
    found += [(_key(arn), None) if ":key/" in arn else (None, arn) for arn in sorted(named)]
    return found


def _key(arn: str) -> KeyFacts:
    parts = arn.split(":")
    return KeyFacts(arn=arn, account=parts[4], region=parts[3])


def _untried(before: Mapping[str, Any], after: Mapping[str, Any], who: Caller, now: datetime) -> Wider | None:
    """A statement that came, whose conditions none of the requests meets."""
    old = canonical_policy(before)[1]
    for one in listed(after.get("Statement", [])):
        document = {**after, "Statement": [one]}
        if one.get("Effect") != "Allow" or canonical_policy(document)[1] <= old:
            continue
        statement = parse_policy(document, identity=True).statements[0]
        unmet: set[str] = set()
        for request in probes([document], who, now):
            missed = statement.unmet(request)
            if missed is None:
                break
            unmet.add(missed.key)
        else:
            if unmet - NATURAL:
                name = str(one.get("Sid") or "without a Sid")
                return Wider(f"what the statement {name} says, under conditions on {', '.join(sorted(unmet))}")
    return None


def _words(request: AccessRequest) -> str:
    where = request.resource if request.key is None else request.key.arn
    under = " and ".join(f"{name} {', '.join(values)}" for name, values in sorted(request.attributes.items()) if values)
    on = f" on {where}" if where is not None else ""
    return f"{request.caller.principal} may {request.action}{on}" + (f" with {under}" if under else "")
