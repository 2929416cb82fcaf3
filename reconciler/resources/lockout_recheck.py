"""Once more, right before a key's policy or grants change: whoever came to need the key since the plan (CONTRACT 5).

The plan has rehearsed everything that it knew of. This looks only at the one key, and only at services that use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.parsing import parse_policy
from reconciler.access.simulation import Request, SimulatedKey, caller_of
from reconciler.errors import AccessDeniedException, BlockedByGuard, Diagnostic
from reconciler.model.address import Address
from reconciler.model.ports import StepServices
from reconciler.providers.key_access import KnowsDependents
from reconciler.providers.typed import caller, holding_policies, key_provider
from reconciler.resources.simulated_key import plain, simulated_key


def refuse_lockout(
    services: StepServices,
    address: Address,
    provider: str,
    key_arn: str,
    *,
    document: Mapping[str, Any] | None = None,
    without_grant: str | None = None,
) -> None:
    """BlockedByGuard, if another policy or the end of a grant would take the key from something that has it now."""
    if not isinstance(services, KnowsDependents):
        return
    before = _read(services, provider, key_arn)
    if before is None or not _is_used_by_services(before):
        return
    after = before.copy()
    if document is not None:
        after.policy = parse_policy(plain(document))
    if without_grant is not None:
        ended = after.grants.remove(without_grant)
        if ended is None or not _is_service(ended.terms.grantee_principal):
            return
    now = services.clock.now()
    for one in services.dependents(key_arn).found:
        for access in one.accesses:
            who = caller_of(access.principal or "", before.facts.account, access.via)
            request = Request(caller=who, operation=access.operation, context=access.context)
            decided = after.decide(request, now)
            if not decided.allowed and before.decide(request, now).allowed:
                raise BlockedByGuard(
                    [
                        Diagnostic(
                            code="policy-lockout",
                            summary=f"{address} would lock out {one.what} {one.name}, which came to need the key since "
                            f"the plan: {decided.reason}",
                            address=address,
                            suggestion="Plan again: the plan says what to do about it.",
                        )
                    ]
                )


def _read(services: StepServices, provider: str, key_arn: str) -> SimulatedKey | None:
    """The key as it is; None when it may not be looked at, which the plan has said."""
    who, keys = caller(services, provider), key_provider(services, provider)
    try:
        described = keys.describe_keys(who, [key_arn]).get(key_arn)
        document = holding_policies(services, provider).get_key_policies(who, [key_arn]).get(key_arn)
        if described is None or document is None:
            return None
        found = simulated_key(keys, who, described, document)
        found.grants  # noqa: B018  # listed now: this, too, may be refused
    except AccessDeniedException:
        return None
    return found


def _is_used_by_services(key: SimulatedKey) -> bool:
    """Whether a data plane can reach the key at all. Few policies name a service, and a new key has no grant."""
    if any(_is_service(grant.terms.grantee_principal) for grant in key.grants):
        return True
    return any(
        statement.principals is None or statement.principals.anybody or statement.principals.services
        for statement in key.policy.statements
        if not statement.denies
    )


def _is_service(principal: str) -> bool:
    return principal.endswith(".amazonaws.com")
