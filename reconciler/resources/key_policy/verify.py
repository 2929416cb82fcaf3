"""Proof that a key's policy decides as the declared one: by putting the same requests to both (KM2, KM6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, Final

from reconciler.access.actions import SHARPEST_FIRST
from reconciler.access.caller import Caller
from reconciler.access.decision import decide
from reconciler.access.equality import policies_equal
from reconciler.access.parsing import parse_policy
from reconciler.access.principals import account_of
from reconciler.access.request import AccessRequest, KeyFacts
from reconciler.model.ports import Services
from reconciler.providers.proofs import PROBES, Check, Witness, unprotected
from reconciler.providers.typed import caller, holding_policies, key_provider
from reconciler.resources.key_policy.observe import KeyPolicyObservation
from reconciler.resources.key_policy.spec import KeyPolicySpec
from reconciler.resources.kind import VerifyInput

MOST_PROBES: Final = 20_000
_SERVICES: Final = ("redshift.amazonaws.com", "cassandra.amazonaws.com")
_EVERYTHING: Final = parse_policy(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, identity=True
)
_STRANGE: Final = "999999999999"
_FIX: Final = (
    "Run `reconciler apply`: it puts the declared policy back. Find out who changed it, and what was done since."
)


def verify(
    given: VerifyInput[KeyPolicySpec, KeyPolicyObservation], services: Services, witness: Witness
) -> Iterator[Check]:
    """Whoever either policy names, and strangers, ask for every action, directly and through services."""
    arn = str(given.attributes["id"])
    who = caller(services, given.provider)
    stored = holding_policies(services, given.provider).get_key_policies(who, [arn]).get(arn)
    if stored is None:
        yield unprotected(PROBES, f"the key {arn} is gone, and its policy with it", "Run `reconciler plan`.")
        return
    declared = _declared(given, stored)
    one, other = parse_policy(_plain(declared)), parse_policy(_plain(stored))
    account = key_provider(services, given.provider).account
    decided = asked = 0
    for request in islice(_probes([declared, stored], arn, account, services), MOST_PROBES):
        # By the policy alone, and with everything that an account could add to it where the policy leaves that to it.
        for identity in ((), (_EVERYTHING,)) if _is_of(account, request.caller) else ((),):
            wanted, found = decide(request, one, identity), decide(request, other, identity)
            if wanted.allowed is not found.allowed:
                via = "" if request.caller.via_service is None else f" through {request.caller.via_service}"
                yield unprotected(
                    PROBES,
                    f"the policy of {arn} {'allows' if found.allowed else 'denies'} {request.action} to "
                    f"{request.caller.principal}{via} ({found.reason}); the declared one does not",
                    _FIX,
                )
                return
            decided += 1
        asked += 1
    if asked == MOST_PROBES and not policies_equal(declared, stored):
        # Too many to put them all: then what it says must be what was declared.
        yield unprotected(PROBES, f"the policy of {arn} says something else than the declared one", _FIX)
        return
    yield Check(what=PROBES, count=decided)


def _is_of(account: str, asks: Caller) -> bool:
    return asks.account == account and not asks.is_service


def _declared(given: VerifyInput[KeyPolicySpec, KeyPolicyObservation], stored: Mapping[str, Any]) -> Mapping[str, Any]:
    if given.spec is not None:
        return given.spec.document
    return stored if given.expected is None else given.expected.document


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    return dict(document)


def _probes(documents: list[Mapping[str, Any]], arn: str, account: str, services: Services) -> Iterator[AccessRequest]:
    """A table of requests, the sharpest first: nearly everything differs by who asks for what."""
    statements = [statement for document in documents for statement in _listed(document.get("Statement"))]
    principals = _principals(statements, account)
    values = _condition_values(statements)
    vias = [None, *dict.fromkeys((*_SERVICES, *values.get("kms:viaservice", ())))]
    contexts = _contexts(values)
    actions = dict.fromkeys((*SHARPEST_FIRST, *_actions(statements)))
    region = arn.split(":")[3]
    key = KeyFacts(arn=arn, account=arn.split(":")[4] or account, region=region)
    now = services.clock.now()
    for context, via, principal, action in product(contexts, vias, principals, actions):
        asks = Caller(principal=principal, account=account_of(principal) or account, via_service=via)
        if asks.is_service and via is not None:
            continue
        yield AccessRequest(caller=asks, action=action, now=now, key=key, context=context)


def _principals(statements: list[Mapping[str, Any]], account: str) -> list[str]:
    found = {f"arn:aws:iam::{account}:root", f"arn:aws:iam::{account}:role/nobody-in-particular", *_SERVICES}
    for statement in statements:
        for name in ("Principal", "NotPrincipal"):
            named = statement.get(name)
            for value in _listed(named) if not isinstance(named, Mapping) else _flat(named.values()):
                found.add(_principal(str(value)))
    return sorted(found | {f"arn:aws:iam::{_STRANGE}:role/stranger"} - {"*"})


def _principal(written: str) -> str:
    """Somebody whom it means: an account's number is its root, a pattern one of those that fit."""
    if written.isdigit():
        return f"arn:aws:iam::{written}:root"
    return written.replace("*", "any").replace("?", "x") if written != "*" else f"arn:aws:iam::{_STRANGE}:root"


def _actions(statements: list[Mapping[str, Any]]) -> list[str]:
    named = [str(action) for statement in statements for action in _listed(statement.get("Action"))]
    named += [str(action) for statement in statements for action in _listed(statement.get("NotAction"))]
    return [action for action in named if "*" not in action and "?" not in action and ":" in action]


def _condition_values(statements: list[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What conditions compare with, by the key's name in small letters."""
    found: dict[str, list[str]] = {}
    for statement in statements:
        for keys in (statement.get("Condition") or {}).values():
            for name, values in keys.items():
                found.setdefault(str(name).lower(), []).extend(str(one).replace("*", "x") for one in _listed(values))
    return found


def _contexts(values: Mapping[str, list[str]]) -> list[dict[str, str] | None]:
    prefix = "kms:encryptioncontext:"
    pairs = {name.removeprefix(prefix): held[0] for name, held in values.items() if name.startswith(prefix) and held}
    keys = dict.fromkeys(values.get("kms:encryptioncontextkeys", ()), "x")
    found: list[dict[str, str] | None] = [{}]
    if pairs or keys:
        whole = {**keys, **pairs}
        found += [whole, *({name: value} for name, value in whole.items())]
        found += [{**whole, name: f"{value}-other"} for name, value in pairs.items()]
    return found


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _flat(groups: Any) -> list[Any]:
    return [value for group in groups for value in _listed(group)]
