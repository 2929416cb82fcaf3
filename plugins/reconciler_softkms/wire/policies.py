"""GetKeyPolicy, PutKeyPolicy, ListKeyPolicies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import policies
from reconciler_softkms.pages import PageOf
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Asked, KeyName, Limit, Marker

PolicyText = Annotated[str, StringConstraints(min_length=1, max_length=131072, pattern=r"^[\x09\x0A\x0D\x20-\xFF]+$")]
PolicyName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\w]+$")]


class GetKeyPolicy(Asked):
    """Its form."""

    key_id: KeyName
    policy_name: PolicyName | None = None


class PutKeyPolicy(Asked):
    """Its form."""

    key_id: KeyName
    policy: PolicyText
    policy_name: PolicyName | None = None
    bypass_policy_lockout_safety_check: bool | None = None


class ListKeyPolicies(Asked):
    """Its form."""

    key_id: KeyName
    limit: Limit | None = None
    marker: Marker | None = None


def get_key_policy(door: Door, caller: Caller, asked: GetKeyPolicy) -> Mapping[str, Any]:
    """The policy as JSON, and its name."""
    name = asked.policy_name or policies.ONLY_NAME
    return {"Policy": policies.get_key_policy(door, caller, asked.key_id, name), "PolicyName": name}


def put_key_policy(door: Door, caller: Caller, asked: PutKeyPolicy) -> Mapping[str, Any]:
    """Nothing."""
    policies.put_key_policy(
        door,
        caller,
        asked.key_id,
        asked.policy,
        name=asked.policy_name or policies.ONLY_NAME,
        bypass_lockout_check=bool(asked.bypass_policy_lockout_safety_check),
    )
    return {}


def list_key_policies(door: Door, caller: Caller, asked: ListKeyPolicies) -> Mapping[str, Any]:
    """The one name."""
    found = policies.list_key_policies(door, caller, asked.key_id, PageOf(asked.limit, asked.marker))
    return found.answer("PolicyNames", str)


OPERATIONS = {
    "GetKeyPolicy": Operation(GetKeyPolicy, get_key_policy),
    "PutKeyPolicy": Operation(PutKeyPolicy, put_key_policy),
    "ListKeyPolicies": Operation(ListKeyPolicies, list_key_policies),
}
