"""Whether a grant allows a request (KM3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from reconciler.access.caller import Caller
from reconciler.access.principals import Reach, is_account_root, means, names_of, service_spellings
from reconciler.access.request import AccessRequest, GrantTerms, Pairs

UNCONSTRAINED = frozenset({"DescribeKey", "RetireGrant"})  # constraints are ignored for these


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant in force."""

    grant_id: str
    terms: GrantTerms

    def reach(self, caller: Caller) -> Reach:
        """How it names ``caller``: itself, through its account (whose own policies must then allow as well), or not."""
        grantee = self.terms.grantee_principal
        if means(grantee, caller.principal):
            return Reach.DIRECT
        of_account = not caller.is_service and is_account_root(grantee) and grantee == root_of(caller)
        return Reach.ACCOUNT if of_account else Reach.NONE

    def holds(self, request: AccessRequest) -> bool:
        """Whether the operation is among the grant's."""
        return request.action.removeprefix("kms:") in self.terms.operations

    def covers(self, request: AccessRequest) -> bool:
        """Whether caller and operation are the grant's, whatever its constraint says."""
        return self.holds(request) and self.reach(request.caller) is not Reach.NONE

    def permits(self, request: AccessRequest) -> bool:
        """Whether it allows ``request``. A CreateGrant may only pass on what the grant itself holds, under
        constraints at least as strict."""
        if not self.covers(request):
            return False
        operation = request.action.removeprefix("kms:")
        if operation in UNCONSTRAINED:
            return True
        if operation == "CreateGrant":
            return request.grant is not None and passes_on(self.terms, request.grant)
        if self.terms.source_arn is not None and request.attributes.get("aws:sourcearn") != (self.terms.source_arn,):
            return False
        return context_fits(self.terms, request.context)


def root_of(caller: Caller) -> str:
    """The root principal of the caller's account."""
    return f"arn:aws:iam::{caller.account}:root"


@lru_cache(maxsize=4096)
def grantee_spellings(principal: str, account: str, region: str) -> tuple[str, ...]:
    """Every way to write a grantee that can mean ``principal``: what grants are looked up by."""
    names = {*names_of(principal), *service_spellings(principal, region)}
    if principal.startswith("arn:"):
        names.add(f"arn:aws:iam::{account}:root")
    return tuple(sorted(names))


def context_fits(terms: GrantTerms, context: Pairs | None) -> bool:
    """Whether the encryption context of a request satisfies the grant's constraint: exact and case-sensitive."""
    given = dict(context or {})
    if terms.context_equals is not None and dict(terms.context_equals) != given:
        return False
    return terms.context_subset is None or _within(terms.context_subset, given)


def passes_on(parent: GrantTerms, child: GrantTerms) -> bool:
    """Whether ``child`` asks for no more than ``parent`` holds."""
    if not set(child.operations) <= set(parent.operations) or parent.source_arn not in (None, child.source_arn):
        return False
    if parent.context_equals is not None:
        return child.context_equals is not None and dict(child.context_equals) == dict(parent.context_equals)
    if parent.context_subset is None:
        return True
    narrowed = child.context_equals if child.context_equals is not None else child.context_subset
    return narrowed is not None and _within(parent.context_subset, narrowed)


def may_retire(terms: GrantTerms, caller: Caller, issuing_account: str) -> bool:
    """Whether ``caller`` is the retiring principal, a grantee that holds RetireGrant, or the issuing account."""
    if caller.principal == issuing_account:
        return True
    if terms.retiring_principal is not None and means(terms.retiring_principal, caller.principal):
        return True
    return "RetireGrant" in terms.operations and means(terms.grantee_principal, caller.principal)


def _within(part: Mapping[str, str], whole: Mapping[str, str]) -> bool:
    return all(whole.get(key) == value for key, value in part.items())
