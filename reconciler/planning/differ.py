"""Desired, recorded and observed become a change, one resource at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Verdict
from reconciler.model.recorded import Recorded, Standing
from reconciler.planning import removal
from reconciler.planning.ignoring import as_observed
from reconciler.planning.importing import Imports
from reconciler.planning.refresh import remembered
from reconciler.planning.renaming import with_rename
from reconciler.planning.replacing import replaced
from reconciler.planning.request import PlanRequest
from reconciler.resources import registry
from reconciler.resources.kind import DiffInput, Observation
from reconciler.resources.reference import Reference
from reconciler.resources.resource import Resource
from reconciler.resources.spec import Spec


@dataclass(slots=True, kw_only=True)
class Differ:
    """Asks the kinds, in an order in which what a resource refers to has been decided before."""

    declared: Mapping[Address, Resource]
    row: Callable[[Address], Recorded | None]
    observation: Callable[[Recorded], Observation | None]
    request: PlanRequest
    now: datetime
    came_from: Mapping[Address, Address] = field(default_factory=dict)
    importing: Imports = field(default_factory=Imports)
    warnings: list[tuple[Address, str]] = field(default_factory=list)
    key_behind: Callable[[str], str] = lambda arn: arn
    _new_identity: set[Address] = field(default_factory=set)
    _completing: dict[Address, list[Address]] = field(default_factory=dict)

    def change(self, address: Address) -> Change:
        """The verdict on one resource."""
        verdict = self._verdict(address)
        if verdict.action in (Action.CREATE, Action.REPLACE):
            self._new_identity.add(address)
            if registry.kind(address.kind).completes is not None and address in self.declared:
                for target in self.declared[address].references:
                    self._completing.setdefault(target, []).append(address)
        self.warnings.extend((address, warning) for warning in verdict.warnings)
        return Change(
            address=address,
            action=verdict.action,
            operations=verdict.operations,
            diff=verdict.diff,
            blocked=verdict.blocked,
        )

    def _verdict(self, address: Address) -> Verdict:
        resource, row = self.declared.get(address), self.row(address)
        if resource is None:
            if row is None:
                return Verdict()
            decided = removal.without_asking(row, self.request)
            if decided is not None:
                return Verdict(action=Action.FORGET) if self._has_expired(row) else decided
        verdict = self.importing.onto(
            lambda: self._ask(address, resource, row), address, () if resource is None else resource.references
        )
        return with_rename(verdict, address, self.came_from[address]) if address in self.came_from else verdict

    def _has_expired(self, row: Recorded) -> bool:
        """Whether the object is gone because its time was over: nothing of it is left to be kept."""
        kind, last = registry.kind(row.address.kind), remembered(row)
        return last is not None and kind.is_over(last, self.now) and self.observation(row) is None

    def _ask(self, address: Address, resource: Resource | None, row: Recorded | None) -> Verdict:
        kind = registry.kind(address.kind)
        provider = row.provider if resource is None and row is not None else resource and resource.provider
        if resource is not None and row is not None and row.identity is not None and row.provider != resource.provider:
            return _moves(address, row.provider, resource.provider)
        observed = None if row is None else self.observation(row)
        desired = None if resource is None else resource.spec
        if desired is not None and row is not None:
            desired = as_observed(kind, desired, row.attributes, observed)
        given: DiffInput[Any, Any] = DiffInput(
            address=address,
            name=address.name if resource is None else resource.external_name,
            provider=provider or "",
            desired=desired,
            recorded=row,
            observed=observed,
            now=self.now,
            resolve=self._resolve,
            last_spec=None if row is None or row.spec is None else kind.spec.model_validate_json(row.spec),
            labels={} if resource is None else resource.labels,
            takes_data=self.request.destroy and self.request.confirmed,
            accepts_outage=address in self.request.accept_outage,
            removal_reason="everything is to go" if self.request.destroy else "its manifest is gone",
            declared=self._declared,
            arriving=self._arriving,
        )
        anew = replaced(kind, given) if resource is not None and address in self.request.replace else None
        verdict = kind.diff(given) if anew is None else anew
        if resource is None and row is not None and row.standing is Standing.LEAVING and not verdict.operations:
            # Waiting out its window, or over: nothing to show, and forgotten once it is gone.
            return Verdict(action=verdict.action)
        return verdict

    def _resolve(self, reference: Reference) -> Mapping[str, Any] | None:
        address = reference.address
        if address is None:
            arn = None if reference.arn is None else self.key_behind(reference.arn)
            return {"id": arn, "arn": arn}
        if address in self._new_identity:
            return None
        row = self.row(address)
        return None if row is None or row.identity is None else row.attributes

    def _declared(self, reference: Reference) -> Spec | None:
        address = reference.address
        resource = None if address is None else self.declared.get(address)
        return None if resource is None else resource.spec

    def _arriving(self, reference: Reference) -> Sequence[Address]:
        """What completes the target and is made by this plan."""
        return [] if reference.address is None else sorted(self._completing.get(reference.address, ()))


def _moves(address: Address, old: str, new: str | None) -> Verdict:
    from reconciler.resources.verdicts import blocked

    return blocked(
        "provider-change",
        f"{address} was made through Provider/{old}, and its manifest now names Provider/{new}; an object does not "
        "move between providers",
        f"Name Provider/{old} again, or",
        f"declare a resource of another name through Provider/{new} and switch what refers to it.",
    )
