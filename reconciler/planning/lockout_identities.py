"""Identity policies as a plan's steps would leave them, and who could do less by then (CONTRACT 5).

They are of the account, so a change of one may reach every key whose policy leaves something to the account. What must
go on is asked of each recorded key before and after: that the principals of the project's Providers manage it, and what
recorded resources need (a declared grant and its grantee). Services hold no identity policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from reconciler.access.caller import Caller
from reconciler.access.decision import Decision, decide_identity
from reconciler.access.policy import Policy
from reconciler.access.principals import means
from reconciler.access.request import AccessRequest
from reconciler.access.simulation import Identities, Request, caller_of
from reconciler.model.address import Address
from reconciler.model.change import Block, Operation
from reconciler.model.ports import Services
from reconciler.planning import lockout_words as words
from reconciler.providers.typed import caller, holding_identity_policies
from reconciler.resources.identity_calls import ChangesIdentities, IdentityChange
from reconciler.resources.kind import Need, ResourceStep
from reconciler.resources.simulated_key import identity_policy

if TYPE_CHECKING:
    from reconciler.planning.lockout_world import KeyWorld, PlannedKey

MANAGING: Final = ("DescribeKey", "GetKeyPolicy", "PutKeyPolicy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedIdentity:
    """What ``principal`` holds: ``before`` goes, ``after`` comes; None: there was, or will be, none."""

    principal: str
    before: Policy | None
    after: Policy | None


def with_changes(held: Identities, changes: Sequence[ChangedIdentity]) -> Identities:
    """``held``, changed. A role session holds what its role does."""
    if not changes:
        return held

    def changed(who: Caller) -> Sequence[Policy]:
        policies = list(held(who))
        for one in changes:
            if means(one.principal, who.principal):
                if one.before is not None and one.before in policies:
                    policies.remove(one.before)
                policies += [] if one.after is None else [one.after]
        return policies

    return changed


def identity_changes(operation: Operation) -> list[tuple[str, IdentityChange]]:
    """The Provider of each step that changes an identity policy, and the change."""
    return [
        (step.provider, step.identity_change())
        for step in operation.steps
        if isinstance(step, ResourceStep) and isinstance(step, ChangesIdentities)
    ]


@dataclass(slots=True, kw_only=True)
class IdentityRehearsal:
    """The changes of identity policies in one plan."""

    world: KeyWorld
    services: Services
    now: datetime
    _done: list[tuple[Address, str, IdentityChange]] = field(default_factory=list)
    _first: dict[str, Identities] = field(default_factory=dict)

    def change(self, address: Address, provider: str, change: IdentityChange) -> Block | None:
        """Carry one out in memory; the refusal, where whoever acts may not make it."""
        self._first.setdefault(provider, self.world.identities(provider))
        author = caller(self.services, provider)
        decision = self._decide(author, change, self.world.identities(provider))
        if not decision.allowed:
            return words.identity_not_permitted(address, author.principal, change.action, decision)
        self.world.change_identity(
            ChangedIdentity(
                principal=change.principal,
                before=self._held(provider, change),
                after=None if change.document is None else identity_policy(change.document),
            ),
            address,
        )
        self._done.append((address, provider, change))
        return None

    def blocks(self, needs: Iterable[Need], name_of: Callable[[str], str]) -> Iterator[tuple[Address, Block]]:
        """What the changes take away, after all of them."""
        for address, provider, change in self._done:
            author = caller(self.services, provider)
            now = self._decide(author, change, self.world.identities(provider))
            if not now.allowed and self._decide(author, change, self._first[provider]).allowed:
                yield address, words.identity_author_locked_out(address, author.principal, change.action, now)
        if self._done:
            yield from self._managers(name_of)
            yield from self._needs(needs, name_of)

    def _managers(self, name_of: Callable[[str], str]) -> Iterator[tuple[Address, Block]]:
        for key in self._touched():
            who = caller_of(self.services.principal(key.provider), key.account)
            for operation in MANAGING:
                request = Request(caller=who, operation=operation)
                lost = self._lost(key, request)
                if lost is not None:
                    blamed, decision = lost
                    yield blamed, words.manager_locked_out(blamed, name_of(key.arn or ""), request, decision)
                    break

    def _needs(self, needs: Iterable[Need], name_of: Callable[[str], str]) -> Iterator[tuple[Address, Block]]:
        keys = {key.arn: key for key in self._touched()}
        for need in needs:
            key = keys.get(need.key_arn)
            if key is None:
                continue
            for operation in need.operations:
                who = caller_of(need.principal, key.account, need.via)
                request = Request(caller=who, operation=operation, context=need.context)
                lost = self._lost(key, request)
                if lost is not None:
                    blamed, decision = lost
                    yield blamed, words.need_locked_out(blamed, need.who, name_of(need.key_arn), request, decision)
                    break

    def _touched(self) -> list[PlannedKey]:
        return [key for key in self.world.all() if key.identities_by is not None and key.arn is not None]

    def _lost(self, key: PlannedKey, request: Request) -> tuple[Address, Decision] | None:
        """The resource whose change of an identity policy took that away, and the decision that refuses now."""
        if key.before is None:
            return None
        after = key.simulated.decide(request, self.now)
        if after.allowed or not key.before.decide(request, self.now).allowed:
            return None
        for address, _, change in self._done:
            if means(change.principal, request.caller.principal):
                return address, after
        return None

    def _held(self, provider: str, change: IdentityChange) -> Policy | None:
        policies = holding_identity_policies(self.services, provider)
        who = caller(self.services, provider)
        for one in policies.list_identity_policies(who, [change.principal]):
            if one.name == change.name:
                return identity_policy(one.document)
        return None

    def _decide(self, who: Caller, change: IdentityChange, held: Identities) -> Decision:
        request = AccessRequest(caller=who, action=change.action, now=self.now, resource=change.principal)
        return decide_identity(request, held(who))
