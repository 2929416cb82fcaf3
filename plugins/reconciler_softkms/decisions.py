"""A decision at the door: what it depends on, and how the record of its request tells it (AU4)."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any

from reconciler.access.caller import Caller
from reconciler.access.decision import Decision

_PLAIN = (str, int)
_CONTEXTS = ("encryptionContext", "sourceEncryptionContext", "destinationEncryptionContext")
_encode = json.JSONEncoder(separators=(",", ":")).encode


def told(action: str, decision: Decision) -> str:
    """JSON: action, effect and source, and which statement or grant it was."""
    out = {"action": action, "effect": decision.effect.value, "source": decision.source.value}
    if decision.statement is not None:
        out["statement"] = decision.statement
    if decision.grant_id is not None:
        out["grantId"] = decision.grant_id
    if not decision.allowed:
        out["reason"] = decision.reason
    return _encode(out)


def question(
    caller: Caller, key_id: str, action: str, facts: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Hashable | None:
    """Everything but time, policies, grants and the key's own row that a decision and its record depend on; None for a
    request that is not likely to come again. ``facts`` are fields of ``AccessRequest``, ``parameters`` those of the
    record. Pairs in another order are another question: that is cheaper than to find out that they are the same."""
    origin = caller.origin
    asked: list[Hashable] = []  # names and values in turn
    for name, value in facts.items():
        if type(value) is dict:
            asked += name, tuple(value.items())
        elif value is None or isinstance(value, str):
            asked += name, value
        else:
            return None
    for name, value in parameters.items():
        if isinstance(value, _PLAIN):
            asked += name, value
        elif name in _CONTEXTS:
            asked += name, tuple(value.items())
        else:
            return None
    return (
        key_id,
        action,
        caller.principal,
        caller.account,
        caller.via_service,
        frozenset(caller.tags.items()) if caller.tags else None,
        None if origin is None else (origin.address, origin.user_agent, origin.access_key_id, origin.is_encrypted),
        tuple(asked),
    )
