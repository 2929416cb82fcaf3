"""The keys that a plan touches, as they are now and as its steps would leave them, in memory (CONTRACT 5).

Policies, descriptions and grants are asked for once a key, and only for keys that some step calls on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.access.parsing import parse_policy
from reconciler.access.request import KeyFacts
from reconciler.access.simulation import GrantsOfKey, Identities, SimulatedKey
from reconciler.errors import ReconcilerError
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.planning.lockout_identities import ChangedIdentity, with_changes
from reconciler.providers.keys import (
    HoldsPolicies,
    KeyDescription,
    KeyProvider,
    KeyState,
    NamesKeys,
    PolicyDocument,
)
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.reference import Reference
from reconciler.resources.simulated_key import identities_of, plain, simulated_key

KeyServiceOf = Callable[[str], str | None]  # the key Provider, by manifest name, that holds the key of an ARN


@dataclass(slots=True, kw_only=True)
class PlannedKey:
    """One key. ``arn`` is None while it is yet to be made. ``before`` is how it was when the first change that can take
    something away was about to be rehearsed; ``policy_by`` is the resource that gave it another policy, ``ended_by``
    those that ended grants, ``identities_by`` the last that changed what an account lets a principal do."""

    arn: str | None
    provider: str
    simulated: SimulatedKey
    state: KeyState
    before: SimulatedKey | None = None
    policy_by: Address | None = None
    ended_by: dict[str, Address] = field(default_factory=dict)
    identities_by: Address | None = None

    @property
    def account(self) -> str:
        """Whose key it is."""
        return self.simulated.facts.account

    def changes(self) -> SimulatedKey:
        """The simulated key, about to lose something: how it was before is kept."""
        if self.before is None:
            self.before = self.simulated.copy()
        return self.simulated


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What is known of a key that the plan makes."""

    provider: str
    key_spec: str
    key_usage: str
    multi_region: bool
    tags: Mapping[str, str]
    state: KeyState = KeyState.ENABLED


@dataclass(slots=True, kw_only=True)
class KeyWorld:
    """Finds keys by how steps name them. ``recorded`` gives ARN and Provider of a key that exists, ``new`` what is
    known of one that the plan makes."""

    services: Services
    recorded: Callable[[Address], tuple[str, str] | None]
    new: Callable[[Address], NewKey | None]
    key_service: KeyServiceOf
    unread: list[str] = field(default_factory=list)
    _keys: dict[str, PlannedKey | None] = field(default_factory=dict)
    _aliases: dict[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    _identity_changes: tuple[ChangedIdentity, ...] = ()

    def identities(self, provider: str) -> Identities:
        """What accounts let principals do, as the key service of that name knows it, with the changes so far."""
        return with_changes(identities_of(key_provider(self.services, provider)), self._identity_changes)

    def change_identity(self, changed: ChangedIdentity, by: Address) -> None:
        """From now on a principal holds another policy, whatever key it asks for."""
        self._identity_changes = (*self._identity_changes, changed)
        for key in self.all():
            key.changes()
            key.simulated.identities = with_changes(key.simulated.identities, (changed,))
            key.identities_by = by

    def key(self, reference: Reference) -> PlannedKey | None:
        """The key, None when nobody can be asked about it: then nothing is said of it, and ``unread`` says why."""
        name = reference.arn or str(reference.address)
        if name not in self._keys:
            self._keys[name] = self._find(reference)
        return self._keys[name]

    def all(self) -> list[PlannedKey]:
        """Every key found so far, each once."""
        found = {id(key): key for key in self._keys.values() if key is not None}
        return list(found.values())

    def prepare(self, references: Sequence[Reference]) -> None:
        """Read all that exist among these at once: one call a Provider for descriptions and one for policies."""
        arns: dict[str, list[str]] = {}
        for reference in references:
            found = self._place(reference)
            if found is not None and found[0] not in self._keys:
                arns.setdefault(found[1], []).append(found[0])
        for provider, wanted in arns.items():
            self._read(provider, list(dict.fromkeys(wanted)))

    def _find(self, reference: Reference) -> PlannedKey | None:
        place = self._place(reference)
        if place is not None:
            if place[0] not in self._keys:
                self._read(place[1], [place[0]])
            return self._keys.get(place[0])
        new = None if reference.address is None else self.new(reference.address)
        return None if new is None else self._made(new)

    def _place(self, reference: Reference) -> tuple[str, str] | None:
        """ARN and Provider of a key that exists."""
        if reference.arn is None:
            return None if reference.address is None else self.recorded(reference.address)
        provider = self.key_service(reference.arn)
        return None if provider is None else (reference.arn, provider)

    def _read(self, provider: str, arns: Sequence[str]) -> None:
        keys = key_provider(self.services, provider)
        if not isinstance(keys, HoldsPolicies):
            self._keys.update(dict.fromkeys(arns))  # a service without policies refuses nobody by one
            return
        who = caller(self.services, provider)
        try:
            described = keys.describe_keys(who, arns)
            policies = keys.get_key_policies(who, list({one.arn for one in described.values()}))
        except ReconcilerError as error:
            if len(arns) > 1:
                for arn in arns:
                    self._read(provider, [arn])
            else:
                self._keys[arns[0]] = None
                self.unread.append(f"{arns[0]}: {error.summary}")
            return
        for arn in arns:
            one = described.get(arn)
            document = None if one is None else policies.get(one.arn)
            if one is None or document is None:
                self._keys[arn] = None
                continue
            known = self._keys.get(one.arn) or self._existing(provider, keys, one, document)
            self._keys[arn] = self._keys[one.arn] = known

    def _existing(
        self, provider: str, keys: KeyProvider, described: KeyDescription, document: PolicyDocument
    ) -> PlannedKey:
        simulated = simulated_key(
            keys,
            caller(self.services, provider),
            described,
            document,
            aliases=lambda: self._aliases_of(provider, keys).get(described.key_id, ()),
        )
        simulated.identities = with_changes(simulated.identities, self._identity_changes)
        return PlannedKey(arn=described.arn, provider=provider, simulated=simulated, state=described.state)

    def _made(self, new: NewKey) -> PlannedKey | None:
        keys = key_provider(self.services, new.provider)
        if not isinstance(keys, HoldsPolicies):
            return None
        facts = KeyFacts(
            arn=f"arn:aws:kms:{keys.region}:{keys.account}:key/known-after-apply",
            account=keys.account,
            region=keys.region,
            key_spec=new.key_spec,
            key_usage=new.key_usage,
            multi_region=new.multi_region,
            tags=new.tags,
        )
        simulated = SimulatedKey(
            facts=facts,
            policy=parse_policy(plain(keys.default_key_policy())),
            identities=self.identities(new.provider),
            load_grants=GrantsOfKey,
        )
        return PlannedKey(arn=None, provider=new.provider, simulated=simulated, state=new.state)

    def _aliases_of(self, provider: str, keys: object) -> Mapping[str, Sequence[str]]:
        """Aliases by key id; listed once a Provider, and only for policies that ask for them."""
        if provider not in self._aliases:
            found: dict[str, list[str]] = {}
            if isinstance(keys, NamesKeys):
                for alias in keys.list_aliases(caller(self.services, provider)):
                    found.setdefault(alias.target_key_id, []).append(alias.name)
            self._aliases[provider] = found
        return self._aliases[provider]
