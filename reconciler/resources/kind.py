"""What a kind is, and what its functions are given (DESIGN 3).

loading   spec        what a person may write
refresh   observe     what is there now; reads only
plan      diff        desired, recorded and observed become operations; pure
apply     steps       how to change it; idempotent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from reconciler.access.caller import Caller
from reconciler.model.address import Address
from reconciler.model.change import Outcome, Step, Verdict
from reconciler.model.plan import Finding
from reconciler.model.ports import Services, StepServices
from reconciler.model.readdress import MARK
from reconciler.model.recorded import Intent, Recorded
from reconciler.model.shown import Shown
from reconciler.providers.proofs import Check, Witness
from reconciler.providers.typed import caller
from reconciler.resources.reference import Reference, name_of
from reconciler.resources.spec import Spec

if TYPE_CHECKING:
    from reconciler.resources.estate import Estate

S = TypeVar("S", bound=Spec)
O = TypeVar("O", bound="Observation")  # noqa: E741  # O for observation, beside S for spec


class Observation(BaseModel):
    """What a provider says of one object. Canonical JSON of it is kept in the state, to see at a glance that nothing
    moved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def steady_json(self) -> str:
        """Canonical JSON without what grows and shrinks as data are written: what a saved plan is bound to (I12)."""
        return self.model_dump_json()

    def recorded_after(self, before: str | None) -> Self:
        """What is recorded of it where ``before`` was, as canonical JSON: what only rises does not fall back (I16)."""
        return self


class DataObservation(Observation):
    """Of an object that holds data. ``uid`` is its own for ever: another object of the same name has another."""

    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A recorded resource that is to be observed. ``observed`` is what was recorded of it last, as canonical JSON."""

    address: Address
    provider: str
    attributes: Mapping[str, Any]
    observed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffInput(Generic[S, O]):
    """Everything that a kind's diff may decide from.

    ``desired`` is None when the manifest is gone. ``recorded`` is None when nothing was ever made; ``observed`` is None
    when the object is not there (or there is nothing to observe). ``resolve`` gives the recorded attributes of a
    reference's target, None when it will only exist after apply. ``name`` is the object's name at the provider
    (``externalName`` or metadata.name), ``labels`` are metadata.labels, ``removal_reason`` is why it goes when
    ``desired`` is None. ``takes_data`` says that its destruction was confirmed by name, with the data that only it
    made, ``accepts_outage`` that what it cuts off may be out of reach. ``declared`` gives the spec that a reference's
    target will have, None when no manifest declares it. ``arriving`` gives the resources that complete a reference's
    target (``ResourceKind.completes``) and that this very plan creates.
    """

    address: Address
    name: str
    provider: str
    desired: S | None
    recorded: Recorded | None
    observed: O | None
    now: datetime
    resolve: Callable[[Reference], Mapping[str, Any] | None]
    last_spec: S | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    removal_reason: str = "its manifest is gone"
    takes_data: bool = False
    accepts_outage: bool = False
    declared: Callable[[Reference], Spec | None] = lambda reference: None
    arriving: Callable[[Reference], Sequence[Address]] = lambda reference: ()

    @property
    def is_renamed(self) -> bool:
        """Whether its manifest says that it had another name (``spec.renamedFrom``), and that is not done yet."""
        return self.recorded is not None and MARK in self.recorded.attributes

    @property
    def recorded_name(self) -> str:
        """What the object was last called at its provider; ``name`` while nothing was made."""
        return self.name if self.recorded is None else name_of(self.recorded.attributes)

    def arn_of(self, reference: Reference) -> str | None:
        """The target's ARN, None when it is known after apply."""
        attributes = self.resolve(reference)
        arn = None if attributes is None else attributes.get("arn")
        return None if arn is None else str(arn)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftInput(Generic[S, O]):
    """What drift compares: the last applied spec and the observation of then (``expected``) with the one of now."""

    address: Address
    recorded: Recorded
    spec: S | None
    expected: O | None
    observed: O | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """An object that is there, managed or not. ``name`` is its name at the provider, ``attributes`` what a recorded row
    of it would hold (``id``, ``arn`` …), ``others`` further names that ``import`` takes for it (an ARN, an alias).
    ``belongs_to`` is the ARN of the object that a service made it for: its grants and automated snapshots are managed
    by managing that (CONTRACT 1)."""

    name: str
    attributes: Mapping[str, Any]
    others: tuple[str, ...] = ()
    belongs_to: str | None = None

    @property
    def identity(self) -> str:
        """Its id at the provider."""
        return str(self.attributes["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestInput(Generic[O]):
    """What a manifest of an existing object is written from. ``name_of`` gives the resource of a kind that stands for
    an object (its ARN, id or name at the provider), None when no manifest or state knows it: it is then written as
    ``{arn: …}``."""

    provider: str
    attributes: Mapping[str, Any]
    observed: O
    name_of: Callable[[str, str], Address | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one principal has to be able to do with a key for a resource to work (the plan's lockout simulation).
    ``operations`` are API names (``Decrypt``), ``via`` the service that calls on the principal's behalf."""

    who: Address
    principal: str
    key_arn: str
    operations: tuple[str, ...]
    via: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyInput(Generic[S, O]):
    """A recorded resource that ``verify`` asks proof of. ``spec`` is what was last applied completely, None while the
    first change is unfinished; ``expected`` the observation of then."""

    address: Address
    provider: str
    attributes: Mapping[str, Any]
    spec: S | None
    expected: O | None


@dataclass(frozen=True, kw_only=True)
class ResourceStep(Step):
    """A step about one resource, made through one provider: what nearly every kind's steps are."""

    address: Address
    provider: str

    def identity(self, services: StepServices) -> str:
        """The object's id at its provider: recorded, or just left by an earlier step of the same change."""
        return str(services.attributes(self.address)["id"])

    def caller(self, services: StepServices) -> Caller:
        """Who calls."""
        return caller(services, self.provider)


@runtime_checkable
class EstimatesItself(Protocol):
    """A step whose provider can say how long it takes."""

    def seconds(self, services: Services) -> float | None:
        """By what was measured there so far; None where nothing was. Reads only, and uses no key."""


@dataclass(frozen=True, kw_only=True)
class ResourceKind(Generic[S, O]):
    """A kind, as its folder's ``kind.py`` declares it (``KIND``).

    ``provider_protocol`` is ``keys``, ``warehouse`` or ``tables``: what sort of provider ``spec.provider`` must name.
    ``protected`` kinds hold keys or data: removing their manifest never destroys them (I17). ``recover`` answers for an
    interrupted create: the attributes of the object that its token made, None if it made none (I10). ``outcome``
    answers for any other interrupted step: the outcome that it would have had, where what is observed now proves that
    it was carried out, else None. ``due_at``: the epoch second from which time alone may ask for a change, given spec,
    attributes and observation. ``completes``: whatever else refers to the same target waits for the kinds that complete
    it, lower numbers first (a key's policy, then its grants); None: it completes nothing. ``takes_name``: its objects
    are told apart by the name that a manifest gives them, unique at their provider (and below ``spec.parent``).
    ``of_account``: its objects are the account's, so that its Providers in all Regions tell of the same ones.
    ``is_over``: whether an object that was last seen so is to be gone by itself by now. ``replace``: the operations
    that make a recorded object anew (``--replace``); None: that would lose keys or data. ``existing``: every object of
    the kind that a provider has, managed or not, in one sweep. ``manifest``: the spec fields that would declare an
    observed object, so that declaring them changes nothing. ``needs``: what principals are to be able to do with which
    key while the object stands (data planes speak for theirs themselves). ``verify``: proofs by behaviour for a
    recorded object (CONTRACT 3); it may raise what its provider raises. ``survey``: drift of what no record of the kind
    speaks of; reads only. ``certificate``: the public certificate, as PEM, of an object that is one (HS9). ``as_done``:
    attributes of an object that is adopted for what its spec asks for once and that counts as done, beside its rotation
    trigger. ``describe``: how its provider describes it now, and what happened to it; None when it is gone.
    """

    name: str
    provider_protocol: str
    spec: type[S]
    observation: type[O]
    observe: Callable[[Sequence[Target], Services], Mapping[Address, O | None]]
    diff: Callable[[DiffInput[S, O]], Verdict]
    drift: Callable[[DriftInput[S, O]], Sequence[Finding]]
    recover: Callable[[Intent, Services], Mapping[str, Any] | None] = lambda intent, services: None
    outcome: Callable[[Intent, O, Services], Outcome | None] = lambda intent, observed, services: None
    due_at: Callable[[S, Mapping[str, Any], O | None], float | None] = lambda spec, attributes, observed: None
    protected: bool = False
    completes: int | None = None
    takes_name: bool = False
    of_account: bool = False
    is_over: Callable[[O, datetime], bool] = lambda last_seen, now: False
    replace: Callable[[DiffInput[S, O]], Verdict] | None = None
    existing: Callable[[str, Services], Sequence[Existing]] | None = None
    manifest: Callable[[ManifestInput[O]], Mapping[str, Any]] | None = None
    needs: Callable[[Target, O, Services], Sequence[Need]] | None = None
    verify: Callable[[VerifyInput[S, O], Services, Witness], Iterable[Check]] | None = None
    survey: Callable[[Estate], Sequence[Finding]] = lambda estate: ()
    certificate: Callable[[Target, Services], str] | None = None
    as_done: Callable[[S, Mapping[str, Any]], Mapping[str, Any]] = lambda spec, attributes: {}
    describe: Callable[[Target, Services], Shown | None] | None = None
