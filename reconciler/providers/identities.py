"""HoldsIdentityPolicies: what an account itself lets its principals do, beside key policies and grants (KS4).

Identity policies belong to the account, not to a Region: every key service of the account knows the same ones, and
those of other accounts ask for them when a principal of the account uses their keys (KM7). They are the inline policies
of the public identity service: a principal, a user or a role, holds several, each under a name.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from reconciler.access.caller import Caller
from reconciler.providers.keys import PolicyDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPolicyDescription:
    """One policy. ``principal`` is the ARN of a user or role of the account."""

    principal: str
    name: str
    document: PolicyDocument


@runtime_checkable
class HoldsIdentityPolicies(Protocol):
    """Identity policies that can be read and changed. The caller needs, by an identity policy of its own, the public
    permission: ``iam:PutUserPolicy``, ``iam:DeleteRolePolicy`` and so on, on the principal's ARN;
    ``iam:GetAccountAuthorizationDetails`` to list. AccessDeniedException."""

    def put_identity_policy(self, caller: Caller, principal: str, name: str, document: PolicyDocument) -> None:
        """Give the principal this policy, in place of the one of that name. It counts for the next request, in every
        Region. MalformedPolicyDocumentException; ValidationException for what is no user or role of the account."""

    def delete_identity_policy(self, caller: Caller, principal: str, name: str) -> None:
        """Take the policy away; no error when it is gone."""

    def list_identity_policies(
        self, caller: Caller, principals: Collection[str] | None = None
    ) -> list[IdentityPolicyDescription]:
        """All of the account, or those of these principals, ordered by principal and name."""
