"""What a step's call asks of a key, and what a rehearsed key is like once the call has succeeded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from reconciler.access.caller import Caller
from reconciler.access.decision import Decision
from reconciler.access.grants import Grant
from reconciler.access.simulation import Request
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.planning.lockout_world import PlannedKey
from reconciler.providers.keys import KeyProvider, KeyState
from reconciler.resources.key_calls import KeyCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a call would be refused: by a decision, or because of what the key is."""

    decision: Decision | None = None
    cause: str = ""
    way_out: str = ""


_STATES = {
    "EnableKey": KeyState.ENABLED,
    "DisableKey": KeyState.DISABLED,
    "CancelKeyDeletion": KeyState.DISABLED,
    "ImportKeyMaterial": KeyState.ENABLED,
    "ScheduleKeyDeletion": KeyState.PENDING_DELETION,
}


def request_of(call: KeyCall, caller: Caller) -> Request:
    """The call as a decision takes it."""
    waiting = {} if call.waiting_days is None else {_WINDOW: (str(call.waiting_days),)}
    return Request(
        caller=caller,
        operation=call.operation,
        context=call.context,
        grant=call.grant,
        request_alias=call.alias,
        request_tags=call.tags,
        attributes=waiting,
    )


_WINDOW = "kms:schedulekeydeletionpendingwindowindays"


def carry_out(call: KeyCall, key: PlannedKey, by: Address) -> None:
    """The key once the call has succeeded; ``PutKeyPolicy`` is the rehearsal's own."""
    if call.operation == "CreateGrant" and call.grant is not None:
        # Never the id of a real one: those are hexadecimal.
        key.simulated.grants.add(Grant(f"planned by {by}/{len(key.ended_by)}", call.grant))
    elif call.operation == "RevokeGrant" and call.grant_id is not None:
        if key.changes().grants.remove(call.grant_id) is not None:
            key.ended_by[call.grant_id] = by
    elif call.operation in _STATES:
        key.state = _STATES[call.operation]
    elif call.operation in ("TagResource", "UntagResource") and call.tags is not None:
        _tag(call, key, by)
    elif call.operation in ("CreateAlias", "UpdateAlias", "DeleteAlias") and call.alias is not None:
        _name(call, key, by)


def _tag(call: KeyCall, key: PlannedKey, by: Address) -> None:
    tags = dict(call.tags or {})
    before = dict(key.simulated.facts.tags)
    after = {**before, **tags}
    if call.operation == "UntagResource":
        after = {name: value for name, value in before.items() if name not in tags}
    if key.simulated.policy.asks_for("aws:resourcetag/"):
        key.changes()
        key.policy_by = by
    key.simulated.facts = replace(key.simulated.facts, tags=after)


def _name(call: KeyCall, key: PlannedKey, by: Address) -> None:
    if key.simulated.policy.asks_for("kms:resourcealiases"):
        key.changes()
        key.policy_by = by
    # An alias that moves is named twice, first with the key that it leaves: what it named, it names no more.
    names = key.simulated.aliases
    if call.operation == "CreateAlias" or (call.operation == "UpdateAlias" and call.alias not in names):
        names.add(str(call.alias))
    else:
        names.discard(str(call.alias))


def refusal_of_root(services: Services, provider: str, key: PlannedKey) -> Refusal | None:
    """Why a key cannot be the root of data that the Provider holds (RE4, KS7, KM7)."""
    facts = key.simulated.facts
    region = cast(KeyProvider, services.provider(provider)).region
    if facts.region != region:
        return Refusal(
            cause=f"it is a key of Region {facts.region}, and Provider/{provider} is in {region}; keys are regional "
            "(KM7)",
            way_out=f"Name a key of {region}.",
        )
    if (facts.key_spec, facts.key_usage) != ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"):
        return Refusal(
            cause=f"it is {facts.key_spec} for {facts.key_usage}, and a root is SYMMETRIC_DEFAULT for ENCRYPT_DECRYPT",
            way_out="Name a symmetric encryption key.",
        )
    if key.state is not KeyState.ENABLED:
        return Refusal(cause=f"it is {key.state} by then", way_out="Enable it, or choose another key.")
    return None
