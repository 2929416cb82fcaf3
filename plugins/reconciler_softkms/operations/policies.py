"""GetKeyPolicy, PutKeyPolicy: one key policy a key, and never one that locks its author out (KM2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.access.caller import Caller
from reconciler.access.parsing import check_policy_text, parse_policy
from reconciler.access.policy import default_key_policy
from reconciler.errors import MalformedPolicyDocumentException
from reconciler.providers.keys import PolicyDocument
from reconciler_softkms.door import Door
from reconciler_softkms.request import Request, policy_of
from reconciler_softkms.rows import KeyRow


def get_key_policies(door: Door, caller: Caller, key_ids: Sequence[str]) -> dict[str, PolicyDocument]:
    """See ``HoldsPolicies.get_key_policies``."""
    policies: dict[str, PolicyDocument] = {}
    with door.look(caller, "GetKeyPolicy", {}) as asked:
        for asked_by, row in asked.sweep(key_ids):
            asked.authorize(row, "kms:GetKeyPolicy")
            policies[asked_by] = json.loads(row.policy or "{}")
    return policies


def put_key_policy(door: Door, caller: Caller, key_id: str, policy: PolicyDocument) -> None:
    """See ``HoldsPolicies.put_key_policy``."""
    with door.change(caller, "PutKeyPolicy", {"keyId": key_id, "policyName": "default"}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:PutKeyPolicy")
        text = accepted_policy(asked, row, policy)
        asked.connection.execute("UPDATE keys SET policy = ? WHERE key_id = ?", (text, row.key_id))


def accepted_policy(asked: Request, row: KeyRow, policy: PolicyDocument | None) -> str:
    """The policy as it is kept, after every check; None stands for the account's default. The caller must remain able
    to put another one. MalformedPolicyDocumentException."""
    document = default_key_policy(asked.names.account) if policy is None else policy
    text = json.dumps(_plain(document), separators=(",", ":"), ensure_ascii=False)
    check_policy_text(text)
    parse_policy(json.loads(text))
    after = asked.decision(row, "kms:PutKeyPolicy", policy_of(text))
    if not after.allowed:
        raise MalformedPolicyDocumentException(
            "The new key policy will not allow you to update the key policy in the future:"
            f" {asked.caller.principal} could not call kms:PutKeyPolicy, because {after.reason}",
            suggestion="Add a statement that lets you, or the account's root, call kms:PutKeyPolicy.",
        )
    return text


def _plain(value: Any) -> Any:
    """Frozen mappings and tuples of a manifest as JSON takes them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
