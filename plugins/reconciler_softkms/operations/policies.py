"""GetKeyPolicy, PutKeyPolicy, ListKeyPolicies: one key policy a key, and never one that locks its author out (KM2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.access.parsing import check_policy_text, parse_policy
from reconciler.access.policy import default_key_policy
from reconciler.access.policy_text import read_policy_text
from reconciler.errors import MalformedPolicyDocumentException, NotFoundException
from reconciler.providers.keys import PolicyDocument
from reconciler_softkms.door import Door
from reconciler_softkms.pages import Page, PageOf, after, page
from reconciler_softkms.request import Request, policy_of
from reconciler_softkms.rows import KeyRow

ONLY_NAME: Final = "default"
USUAL: Final = 100


def get_key_policies(door: Door, caller: Caller, key_ids: Sequence[str]) -> dict[str, PolicyDocument]:
    """See ``HoldsPolicies.get_key_policies``."""
    policies: dict[str, PolicyDocument] = {}
    with door.look(caller, "GetKeyPolicy", {}) as asked:
        for asked_by, row in asked.sweep(key_ids):
            asked.authorize(row, "kms:GetKeyPolicy")
            policies[asked_by] = json.loads(row.policy or "{}")
    return policies


def get_key_policy(door: Door, caller: Caller, key_id: str, name: str = ONLY_NAME) -> str:
    """The policy of one key, as JSON. NotFoundException, also for a policy of another name."""
    with door.look(caller, "GetKeyPolicy", {"keyId": key_id, "policyName": name}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:GetKeyPolicy")
        _check_name(name)
        return row.policy or "{}"


def list_key_policies(door: Door, caller: Caller, key_id: str, which: PageOf) -> Page[str]:
    """The names of a key's policies: there is one."""
    with door.look(caller, "ListKeyPolicies", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:ListKeyPolicies")
        return page(asked, which, USUAL, row.key_id, after([(ONLY_NAME, ONLY_NAME)]))


def put_key_policy(
    door: Door,
    caller: Caller,
    key_id: str,
    policy: PolicyDocument | str,
    *,
    name: str = ONLY_NAME,
    bypass_lockout_check: bool = False,
) -> None:
    """See ``HoldsPolicies.put_key_policy``. A text is read as JSON."""
    shown = {
        "keyId": key_id,
        "policyName": name,
        "policy": policy if isinstance(policy, str) else _text(policy),
        "bypassPolicyLockoutSafetyCheck": bypass_lockout_check,
    }
    with door.change(caller, "PutKeyPolicy", shown) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:PutKeyPolicy")
        _check_name(name)
        document = read_document(policy) if isinstance(policy, str) else policy
        text = accepted_policy(asked, row, document, bypass_lockout_check=bypass_lockout_check)
        asked.connection.execute("UPDATE keys SET policy = ? WHERE key_id = ?", (text, row.key_id))


def read_document(text: str) -> PolicyDocument:
    """A policy as a request writes it. MalformedPolicyDocumentException: too long, no JSON, no object, a name twice in
    one object."""
    check_policy_text(text)
    try:
        found = read_policy_text(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MalformedPolicyDocumentException("The policy document is malformed: it is not one JSON object")
    return found


def accepted_policy(
    asked: Request, row: KeyRow, policy: PolicyDocument | None, *, bypass_lockout_check: bool = False
) -> str:
    """The policy as it is kept, after every check; None stands for the account's default. The caller must remain able
    to put another one. MalformedPolicyDocumentException."""
    document = default_key_policy(asked.names.account) if policy is None else policy
    text = _text(document)
    check_policy_text(text)
    parse_policy(json.loads(text))
    if bypass_lockout_check:
        return text
    after = asked.decision(row, "kms:PutKeyPolicy", policy_of(text))
    if not after.allowed:
        raise MalformedPolicyDocumentException(
            "The new key policy will not allow you to update the key policy in the future:"
            f" {asked.caller.principal} could not call kms:PutKeyPolicy, because {after.reason}",
            suggestion="Add a statement that lets you, or the account's root, call kms:PutKeyPolicy.",
        )
    return text


def _text(document: PolicyDocument) -> str:
    try:
        return json.dumps(plain(document), separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        raise MalformedPolicyDocumentException("The policy document is malformed: it is nested too deep") from None


def _check_name(name: str) -> None:
    if name != ONLY_NAME:
        raise NotFoundException("No such policy exists", suggestion=f"A key has one policy, named {ONLY_NAME}.")


def plain(value: Any) -> Any:
    """Frozen mappings and tuples of a manifest as JSON takes them."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
