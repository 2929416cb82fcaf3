"""``spec.importId`` and ``import``: what exists is found and adopted, never guessed (CONTRACT 1, I17)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.errors import ReconcilerError, ResourceNotFoundException
from reconciler.model.address import Address
from reconciler.model.change import Action, Operation, Outcome, Verb, Verdict
from reconciler.model.nearest import nearest
from reconciler.model.ports import Services, StepServices
from reconciler.model.recorded import Recorded
from reconciler.providers.plugin import serves
from reconciler.resources import registry
from reconciler.resources.kind import Existing, Observation, ResourceStep, Target
from reconciler.resources.resource import Resource
from reconciler.resources.spec import Spec
from reconciler.resources.verdicts import blocked

STEP = "import"
_LISTED = 5


@dataclass(slots=True, kw_only=True)
class Importer:
    """Finds what resources are to adopt: one sweep for each kind and Provider. ``managed`` answers the address under
    which the state has an object of that kind, Provider and identity already."""

    services: Services
    managed: Callable[[str, str, str], Address | None]
    _swept: dict[tuple[str, str], Sequence[Existing]] = field(default_factory=dict)

    def find(self, resource: Resource, wanted: str) -> Existing | Verdict:
        """The object that ``wanted`` names by id, ARN, alias or name, or why it cannot be adopted."""
        address, provider = resource.address, resource.provider or ""
        there = self._existing(address.kind, provider)
        found = matching(there, wanted)
        if len(found) != 1:
            return _not_found(resource, wanted, found, there)
        (one,) = found
        known = self.managed(address.kind, provider, one.identity)
        if known is not None and known != address:
            return blocked(
                "already-managed",
                f"{address} is to adopt {wanted}, which {known} is already",
                f"To call it {address.name} from now on: declare it as one resource, with `renamedFrom: {known.name}`.",
                f"Or forget the other first: `reconciler state rm {known}`.",
                action=Action.IMPORT,
            )
        if one.belongs_to is not None:
            return blocked(
                "belongs-to-a-service",
                f"{address} is to adopt {wanted}, which a service made for {one.belongs_to}",
                "Manage what it was made for: it comes and goes with that.",
                action=Action.IMPORT,
            )
        return one

    def _existing(self, kind: str, provider: str) -> Sequence[Existing]:
        place = (kind, provider)
        if place not in self._swept:
            self._swept[place] = everything(kind, provider, self.services)
        return self._swept[place]


def everything(kind: str, provider: str, services: Services) -> Sequence[Existing]:
    """What the Provider has of that kind, managed or not; nothing where it serves another protocol."""
    found = registry.kind(kind)
    if found.existing is None or not serves(
        getattr(services.provider(provider), "protocol", ""), found.provider_protocol
    ):
        return ()
    return found.existing(provider, services)


def managed_by(rows: Iterable[Recorded]) -> Callable[[str, str, str], Address | None]:
    """See ``Importer.managed``."""
    known = {(row.address.kind, row.provider, row.identity): row.address for row in rows if row.identity is not None}
    return lambda kind, provider, identity: known.get((kind, provider, identity))


def matching(there: Sequence[Existing], wanted: str) -> list[Existing]:
    """Those that ``wanted`` names. What has it as its id goes before what is only called so."""
    by_identity = [one for one in there if one.identity == wanted]
    return by_identity or [one for one in there if wanted == one.name or wanted in one.others]


def adopted(resource: Resource, one: Existing, uid: str) -> Recorded:
    """The row of an object that is adopted. Its rotation trigger counts as carried out: nothing is rotated because it
    is imported (CONTRACT 1)."""
    trigger, kind = trigger_of(resource.spec), registry.kind(resource.address.kind)
    known = {name: value for name, value in one.attributes.items() if value is not None}
    attributes = {**known, **kind.as_done(resource.spec, known)}
    return Recorded(
        address=resource.address,
        uid=uid,
        provider=resource.provider or "",
        attributes=attributes if trigger is None else {**attributes, "trigger": trigger},
        references=resource.references,
        protected=kind.protected,
    )


def observed(row: Recorded, services: Services) -> Observation | None:
    """The object as its kind observes it."""
    target = Target(address=row.address, provider=row.provider, attributes=row.attributes)
    found: Observation | None = registry.kind(row.address.kind).observe([target], services).get(row.address)
    return found


def trigger_of(spec: Spec) -> str | None:
    """``rotation.trigger``, in the spec or in its ``encryption``: a kind that rotates has it in one of them."""
    for part in (spec, getattr(spec, "encryption", None)):
        trigger = getattr(getattr(part, "rotation", None), "trigger", None)
        if trigger is not None:
            return str(trigger)
    return None


@dataclass(frozen=True, kw_only=True)
class Import(ResourceStep):
    """The object's row in the state. The object stays as it is; it must still be there (I10)."""

    attributes: Mapping[str, Any]

    def run(self, services: StepServices) -> Outcome:
        """Look once more, and record it."""
        target = Target(address=self.address, provider=self.provider, attributes=self.attributes)
        if registry.kind(self.address.kind).observe([target], services).get(self.address) is None:
            raise ResourceNotFoundException(
                f"{self.attributes['id']} is gone from Provider/{self.provider}; nothing was imported",
                address=self.address,
                suggestion="Plan again.",
            )
        return Outcome(attributes=self.attributes)


def with_import(verdict: Verdict, row: Recorded) -> Verdict:
    """The verdict on an object that is adopted first."""
    if verdict.blocked:
        return replace(verdict, action=Action.IMPORT)
    step = Import(
        id=STEP,
        summary=f"record {row.identity} as {row.address}; the object stays as it is",
        address=row.address,
        provider=row.provider,
        attributes=dict(row.attributes),
    )
    operation = Operation(
        verb=Verb.IMPORT,
        reason="its manifest says that it exists",
        steps=(step,),
        waits_for_references=False,
    )
    return replace(verdict, action=Action.IMPORT, operations=(operation, *verdict.operations))


def _not_found(resource: Resource, wanted: str, found: Sequence[Existing], there: Collection[Existing]) -> Verdict:
    address, provider = resource.address, resource.provider
    if found:
        return blocked(
            "import-ambiguous",
            f"{address} is to adopt {wanted}, and Provider/{provider} has {len(found)} that are called so",
            f"Name one of them by its id: {_listed(one.identity for one in found)}.",
            action=Action.IMPORT,
        )
    near = _near(wanted, there)
    known = f"Provider/{provider} has {_listed(_called(one) for one in there)}." if there else ""
    return blocked(
        "import-not-found",
        f"{address} is to adopt {wanted}, and Provider/{provider} has no {address.kind} of that id, ARN or name",
        *((f"Did you mean {near}?",) if near else ()),
        known or f"Provider/{provider} has no {address.kind} at all: check its account and Region, and `home`.",
        "Or remove spec.importId to have a new object made.",
        action=Action.IMPORT,
    )


def _near(wanted: str, there: Collection[Existing]) -> str | None:
    return nearest(wanted, [name for one in there for name in (one.identity, one.name, *one.others)])


def _called(one: Existing) -> str:
    return one.identity if one.name == one.identity else f"{one.name} ({one.identity})"


def _listed(names: Iterable[str]) -> str:
    listed = sorted(names)
    rest = len(listed) - _LISTED
    return ", ".join(listed[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


@dataclass(slots=True)
class Imports:
    """What a plan adopts: rows and observations as they will be, and the refusals of what cannot be adopted."""

    rows: dict[Address, Recorded] = field(default_factory=dict)
    observed: dict[Address, Observation] = field(default_factory=dict)
    refused: dict[Address, Verdict] = field(default_factory=dict)

    def onto(self, verdict: Callable[[], Verdict], address: Address, references: Iterable[Address]) -> Verdict:
        """The verdict of a kind on a resource, with what comes before it when that is adopted. Nothing is compared
        with what is refused itself: that would be told as a second problem."""
        if address in self.refused:
            return self.refused[address]
        if address not in self.rows:
            return verdict()
        is_held_up = any(target in self.refused for target in references)
        return with_import(Verdict() if is_held_up else verdict(), self.rows[address])


def imports(resources: Iterable[Resource], importer: Importer) -> Imports:
    """What these resources adopt. Every object once."""
    found = Imports()
    taken: dict[tuple[str, str, str], Address] = {}
    for resource in resources:
        address = resource.address
        row = _row_of(resource, importer)
        if isinstance(row, Verdict):
            found.refused[address] = row
            continue
        place = (address.kind, row.provider, str(row.identity))
        if place in taken:
            found.refused[address] = blocked(
                "already-managed",
                f"{address} is to adopt {resource.spec.import_id}, which {taken[place]} is to adopt, too",
                "Remove spec.importId, or the whole manifest, of one of them.",
                action=Action.IMPORT,
            )
            continue
        seen = observed(row, importer.services)
        if seen is None:
            found.refused[address] = _not_found(resource, str(resource.spec.import_id), (), ())
            continue
        taken[place] = address
        found.rows[address], found.observed[address] = row, seen
    return found


def _row_of(resource: Resource, importer: Importer) -> Recorded | Verdict:
    wanted = str(resource.spec.import_id)
    try:
        one = importer.find(resource, wanted)
    except ReconcilerError as error:
        return blocked(
            "import-not-found",
            f"{resource.address} is to adopt {wanted}, and Provider/{resource.provider} cannot be asked for it: "
            f"{error.summary}",
            error.suggestion or "Let the Provider's principal list and describe what it has.",
            action=Action.IMPORT,
        )
    return one if isinstance(one, Verdict) else adopted(resource, one, "")
