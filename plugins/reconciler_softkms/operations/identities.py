"""The identity policies of the account: put, delete, list (KS4), under the public permissions of the identity service.

The policy is durable before its record is: whoever dies in between has not answered, and the same call again leaves the
same policy and a record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Final

from reconciler.access.caller import Caller
from reconciler.access.parsing import check_policy_text, parse_policy
from reconciler.access.principals import account_of
from reconciler.errors import ValidationException
from reconciler.providers.identities import IdentityPolicyDescription
from reconciler.providers.keys import PolicyDocument
from reconciler_softkms.door import Door
from reconciler_softkms.operations.policies import plain

_LIST: Final = "GetAccountAuthorizationDetails"
_HOLDER = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(user|role)/(?:[\w+=,.@/-]*/)?([\w+=,.@-]{1,128})", re.ASCII)
_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)


def put_identity_policy(door: Door, caller: Caller, principal: str, name: str, document: PolicyDocument) -> None:
    """See ``HoldsIdentityPolicies.put_identity_policy``."""
    kind, holder = _holder(door, principal)
    shown = {f"{kind}Name": holder, "policyName": name}
    with door.change(caller, f"Put{kind.capitalize()}Policy", shown) as asked:
        asked.authorize_account(f"iam:{asked.name}", resource=principal)
        if not _NAME.fullmatch(name):
            raise ValidationException(
                f'"{name}" cannot name an identity policy: letters, digits and +=,.@_-, up to 128'
            )
        text = json.dumps(plain(document), separators=(",", ":"), ensure_ascii=False)
        check_policy_text(text)
        parse_policy(json.loads(text), identity=True)
        if not caller.dry_run:
            door.identities.store(door.names.account).put(principal, name, text)


def delete_identity_policy(door: Door, caller: Caller, principal: str, name: str) -> None:
    """See ``HoldsIdentityPolicies.delete_identity_policy``."""
    kind, holder = _holder(door, principal)
    shown = {f"{kind}Name": holder, "policyName": name}
    with door.change(caller, f"Delete{kind.capitalize()}Policy", shown) as asked:
        asked.authorize_account(f"iam:{asked.name}", resource=principal)
        if not caller.dry_run:
            door.identities.store(door.names.account).delete(principal, name)


def list_identity_policies(
    door: Door, caller: Caller, principals: Collection[str] | None
) -> list[IdentityPolicyDescription]:
    """See ``HoldsIdentityPolicies.list_identity_policies``."""
    with door.look(caller, _LIST, {}) as asked:
        asked.authorize_account(f"iam:{_LIST}")
        return door.identities.store(door.names.account).listed(principals)


def _holder(door: Door, principal: str) -> tuple[str, str]:
    """``user`` or ``role``, and its name. ValidationException for anybody else, and for other accounts'."""
    found = _HOLDER.fullmatch(principal)
    if found is None:
        raise ValidationException(
            f'"{principal}" holds no identity policies: name a user or a role',
            suggestion="A role session holds its role's; an account's root may do everything without one.",
        )
    if account_of(principal) != door.names.account:
        raise ValidationException(
            f"{principal} is not of account {door.names.account}, so its identity policies are not kept here (KM7)",
            suggestion="Name a Provider of the principal's account.",
        )
    return found[1], found[2]
