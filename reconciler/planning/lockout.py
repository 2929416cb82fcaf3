"""Nobody is locked out by what a plan does (CONTRACT 5): the caller, the last administrator, whatever needs a key.

The plan's calls on keys are rehearsed in the order in which apply makes them, against policies and grants in memory
that change as the rehearsed steps change them, with the evaluator that the key service uses itself. What is refused
there would be refused in earnest. What already depends on a key whose policy or grants lose something is tried before
and after: only what the plan breaks counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from reconciler.access.decision import Decision, Effect, Source
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.principals import account_of
from reconciler.access.simulation import Request, SimulatedKey, caller_of, sweeping_denials
from reconciler.errors import MalformedPolicyDocumentException, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.change import Block, Change, Operation, Verb
from reconciler.model.ports import Services
from reconciler.planning import lockout_words as words
from reconciler.planning.lockout_calls import Refusal, carry_out, refusal_of_root, request_of
from reconciler.planning.lockout_identities import IdentityRehearsal, identity_changes
from reconciler.planning.lockout_world import KeyWorld, PlannedKey
from reconciler.providers.key_access import Dependent, Dependents
from reconciler.providers.typed import holding_policies
from reconciler.resources.key_calls import CallsKeys, KeyCall
from reconciler.resources.kind import Need, ResourceStep
from reconciler.resources.reference import Reference
from reconciler.resources.simulated_key import plain

ROOT = "arn:aws:iam::{account}:root"


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """``dependents`` asks every data provider what is under a key; ``needs`` are those of recorded resources that stay
    (``ResourceKind.needs``), ``known_keys`` names every recorded key. ``broken`` is all that works now and would not
    after the plan, ``refused`` the resources with a call that would be refused. ``name_of`` says how a key's ARN is
    told; ending the grants that are ``accepted`` is a kill switch that somebody asked for by name (CONTRACT 5)."""

    world: KeyWorld
    services: Services
    now: datetime
    dependents: Callable[[str], Dependents]
    needs: Callable[[], Iterable[Need]]
    name_of: Callable[[str], str] = str
    known_keys: Callable[[], Sequence[Reference]] = tuple
    accepted: Collection[Address] = ()
    broken: list[words.Broken] = field(default_factory=list)
    refused: set[Address] = field(default_factory=set)
    warnings: list[tuple[Address, str]] = field(default_factory=list)
    identities: IdentityRehearsal | None = None
    _blocks: dict[Address, list[Block]] = field(default_factory=dict)
    _granted: list[tuple[Address, PlannedKey, KeyCall]] = field(default_factory=list)
    _gone: set[str] = field(default_factory=set)
    _followed: set[str] = field(default_factory=set)
    _asked: dict[str, Dependents] = field(default_factory=dict)
    _unsaid: set[str] = field(default_factory=set)

    def run(self, changes: Sequence[Change]) -> Mapping[Address, Sequence[Block]]:
        """The blocks of each resource, for changes in the order in which apply begins them."""
        calls = [(change, self._calls(change)) for change in changes]
        named = [call.key for _, each in calls for _, found in each for _, call in found]
        if any(identity_changes(operation) for _, each in calls for operation, _ in each):
            named += self.known_keys()
            self.identities = IdentityRehearsal(world=self.world, services=self.services, now=self.now)
        if not named and self.identities is None:
            return {}
        self.world.prepare(named)
        for change, each in calls:
            for operation, found in each:
                self._operate(change, operation, found)
        for key in self.world.all():
            if key.policy_by is not None or key.ended_by:
                self._look_after(key)
        self._useless_grants()
        if self.identities is not None:
            for address, block in self.identities.blocks(self.needs(), self.name_of):
                self._block(address, block)
        for text in self.world.unread:
            self._say(changes[0].address, words.unread(text))
        return self._blocks

    def _calls(self, change: Change) -> list[tuple[Operation, list[tuple[str, KeyCall]]]]:
        if change.blocked:
            return []
        return [(operation, list(self._of(operation))) for operation in change.operations]

    def _of(self, operation: Operation) -> Iterator[tuple[str, KeyCall]]:
        """The Provider of each step that calls on keys, and its calls."""
        for step in operation.steps:
            # Asked of the class, which remembers the answer: of an object, a protocol looks every member up anew.
            if isinstance(step, ResourceStep) and issubclass(type(step), CallsKeys):
                provider, calling = step.provider, cast(CallsKeys, step)
                yield from ((provider, call) for call in calling.key_calls(self.services))

    # --- the plan's own calls, in their order -------------------------------------------------------------------------

    def _operate(self, change: Change, operation: Operation, calls: Sequence[tuple[str, KeyCall]]) -> None:
        if operation.verb is not Verb.DELETE:
            self._leave(change, operation)
        for provider, changed in identity_changes(operation):
            refused = None if self.identities is None else self.identities.change(change.address, provider, changed)
            if refused is not None:
                self.refused.add(change.address)
                self._block(change.address, refused)
                return
        for provider, call in calls:
            key = self.world.key(call.key)
            if key is not None and not self._call(change, provider, call, key):
                break
        self._gone.update(operation.lets_go)
        if operation.verb is Verb.SWITCH_KEY:
            self._followed.update(operation.lets_go)

    def _call(self, change: Change, provider: str, call: KeyCall, key: PlannedKey) -> bool:
        """Rehearse one call; whether it would succeed."""
        who = call.principal or self.services.principal(provider)
        request = request_of(call, caller_of(who, key.account, call.via))
        try:
            refused = self._refused(provider, call, key, request)
        except ReconcilerError as error:
            self._say(change.address, words.unread(f"{call.key}: {error.summary}"))
            return True
        if refused is not None:
            self.refused.add(change.address)
            self._refuse_call(change, call, key, request, refused)
            return False
        self._carry_out(change, call, key, request)
        return True

    def _refused(self, provider: str, call: KeyCall, key: PlannedKey, request: Request) -> Refusal | None:
        decided = key.simulated.decide(request, self.now)
        if not decided.allowed:
            return Refusal(decision=decided)
        return refusal_of_root(self.services, provider, key) if call.as_root else None

    def _refuse_call(self, change: Change, call: KeyCall, key: PlannedKey, request: Request, refused: Refusal) -> None:
        if refused.decision is None:
            block = words.unusable_root(call.key, refused.cause, refused.way_out)
            self._block(change.address, block)
            return
        to_blame = self._blame(key, request, refused.decision) or self._denied_by(key, request, refused.decision)
        described = words.refused(request, refused.decision)
        if to_blame is None or to_blame == change.address:
            self._block(change.address, words.not_permitted(call.key, request, described))
        else:
            self._block(to_blame, words.step_locked_out(to_blame, change.address, call.key, request, described))

    def _carry_out(self, change: Change, call: KeyCall, key: PlannedKey, request: Request) -> None:
        if call.operation == "PutKeyPolicy":
            self._put_policy(change, call, key, request)
            return
        carry_out(call, key, change.address)
        if call.operation == "CreateGrant" and call.via is None:
            self._granted.append((change.address, key, call))

    def _put_policy(self, change: Change, call: KeyCall, key: PlannedKey, request: Request) -> None:
        document = self._document(call, key)
        try:
            policy = parse_policy(document)
        except MalformedPolicyDocumentException:
            return  # the manifest's reading says so
        tried = replace_policy(key.simulated, policy)
        decided = tried.decide(request, self.now)
        if not decided.allowed:
            self.refused.add(change.address)
            self._block(change.address, words.author_locked_out(change.address, call.key, request, decided))
            return
        key.changes().policy = policy
        key.policy_by = change.address
        if not self._has_administrator(key, request):
            self._block(change.address, words.no_administrator(change.address, call.key, key.account))

    def _document(self, call: KeyCall, key: PlannedKey) -> Mapping[str, Any]:
        document = call.document
        if document is None:
            document = holding_policies(self.services, key.provider).default_key_policy()
        made: Mapping[str, Any] = plain(document)
        return made

    def _has_administrator(self, key: PlannedKey, request: Request) -> bool:
        """Whether anybody of the key's own account may still put a policy. The caller can: that was asked before."""
        if request.caller.account == key.account:
            return True
        named = {
            arn
            for statement in key.simulated.policy.statements
            if statement.principals is not None and not statement.denies
            for arn in statement.principals.arns
            if account_of(arn) == key.account
        }
        return any(
            key.simulated.decide(replace(request, caller=caller_of(who, key.account)), self.now).allowed
            for who in (ROOT.format(account=key.account), *sorted(named))
        )

    # --- what is there already ----------------------------------------------------------------------------------------

    def _leave(self, change: Change, operation: Operation) -> None:
        """What goes to another key needs its present one once more, as that is by then."""
        if not operation.lets_go:
            return
        leaving = set(operation.lets_go)
        for key in self.world.all():
            if key.before is not None:
                going = [one for one in self._under(key).found if one.arn in leaving or one.of in leaving]
                self._break(key, self._broken(key, going))

    def _look_after(self, key: PlannedKey) -> None:
        under = self._under(key)
        for name in under.unreachable:
            self._say(key.policy_by or next(iter(key.ended_by.values())), words.unreachable(name))
        staying = [one for one in under.found if one.arn not in self._gone and one.of not in self._followed]
        self._break(key, self._broken(key, staying))
        for need in self.needs():
            if need.key_arn == key.arn:
                self._useless(need.who, key, need.principal, need.operations, need.context, was=key.before)

    def _under(self, key: PlannedKey) -> Dependents:
        if key.arn is None:
            return Dependents()
        if key.arn not in self._asked:
            self._asked[key.arn] = self.dependents(key.arn)
        return self._asked[key.arn]

    def _broken(self, key: PlannedKey, dependents: Sequence[Dependent]) -> list[words.Broken]:
        """What worked before the plan and does not after it, with the resource to blame."""
        found: list[words.Broken] = []
        for one in dependents:
            for access in one.accesses:
                who = caller_of(access.principal or "", key.account, access.via)
                request = Request(caller=who, operation=access.operation, context=access.context, grant=access.grant)
                try:
                    after = key.simulated.decide(request, self.now)
                    blamed = None if after.allowed else self._blame(key, request, after)
                except ReconcilerError as error:
                    self._say(key.policy_by or next(iter(key.ended_by.values())), words.unread(error.summary))
                    return found
                if blamed is not None:
                    found.append(words.Broken(dependent=one, request=request, decision=after, blamed=blamed))
        return found

    def _blame(self, key: PlannedKey, request: Request, after: Decision) -> Address | None:
        """The resource whose change took away what ``request`` asks for; None when it was not there before."""
        if key.before is None:
            return None
        before = key.before.decide(request, self.now)
        if not before.allowed:
            return None
        if after.effect is not Effect.EXPLICIT_DENY and before.source is Source.GRANT and before.grant_id is not None:
            return key.ended_by.get(before.grant_id) or key.policy_by
        return key.policy_by or next(iter(key.ended_by.values()), None) or key.identities_by

    def _denied_by(self, key: PlannedKey, request: Request, after: Decision) -> Address | None:
        """The resource whose policy denies in so many words what nobody could do before either."""
        if key.before is None or after.effect is not Effect.EXPLICIT_DENY:
            return None
        return None if key.before.decide(request, self.now).effect is Effect.EXPLICIT_DENY else key.policy_by

    def _break(self, key: PlannedKey, broken: Sequence[words.Broken]) -> None:
        self.broken += broken
        by_blame: dict[Address, list[words.Broken]] = {}
        for one in broken:
            by_blame.setdefault(one.blamed, []).append(one)
        for address, each in by_blame.items():
            if address in self.accepted and address != key.policy_by:
                continue
            block = words.dependents_locked_out(
                address, self.name_of(key.arn or ""), each, is_policy=address == key.policy_by
            )
            if block not in self._blocks.get(address, ()):
                self._block(address, block)

    # --- declared grants that nobody could use ------------------------------------------------------------------------

    def _useless_grants(self) -> None:
        for address, key, call in self._granted:
            if call.grant is not None:
                terms = call.grant
                context = terms.context_subset if terms.context_equals is None else terms.context_equals
                self._useless(address, key, terms.grantee_principal, terms.operations, context or {}, was=None)

    def _useless(
        self,
        address: Address,
        key: PlannedKey,
        grantee: str,
        operations: Sequence[str],
        context: Mapping[str, str],
        *,
        was: SimulatedKey | None,
    ) -> None:
        """A policy that denies a declared grant's grantee without any condition contradicts it. One with a condition
        may well spare the way in which the grantee calls."""
        denials = sweeping_denials(key.simulated.policy)
        if not denials.statements:
            return
        who = caller_of(grantee, key.account)
        for operation in operations:
            request = Request(caller=who, operation=operation, context=context)
            decided = replace_policy(key.simulated, denials).decide(request, self.now)
            if decided.effect is not Effect.EXPLICIT_DENY:
                continue
            if was is None or replace_policy(was, sweeping_denials(was.policy)).decide(
                request, self.now
            ).effect is not (Effect.EXPLICIT_DENY):
                self._block(key.policy_by or address, words.grant_denied(address, request, decided))
                return

    # ------------------------------------------------------------------------------------------------------------------

    def _block(self, address: Address, block: Block) -> None:
        self._blocks.setdefault(address, []).append(block)

    def _say(self, address: Address, text: str) -> None:
        if text not in self._unsaid:
            self._unsaid.add(text)
            self.warnings.append((address, text))


def replace_policy(key: SimulatedKey, policy: Policy) -> SimulatedKey:
    """The same key under another policy; its grants are shared."""
    return SimulatedKey(
        facts=key.facts,
        policy=policy,
        identities=key.identities,
        load_grants=lambda: key.grants,
        load_aliases=lambda: sorted(key.aliases),
    )
