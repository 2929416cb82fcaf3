"""The guard against lockouts, as the planner calls it: a plan's changes go in, blocks come out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.model.address import Address
from reconciler.model.change import Action, Block, Change
from reconciler.model.ports import Services
from reconciler.planning.lockout import Rehearsal
from reconciler.planning.lockout_world import KeyWorld, NewKey
from reconciler.planning.memory import Memory
from reconciler.planning.request import PlanRequest
from reconciler.providers.key_access import Dependents, KnowsDependents
from reconciler.providers.keys import KeyState
from reconciler.resources import registry
from reconciler.resources.key_calls import FindsKeys
from reconciler.resources.kind import Need, Target
from reconciler.resources.live_services import LiveServices
from reconciler.resources.planned import Declared
from reconciler.resources.reference import Reference

_KEY = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+")
Doubts = Sequence[tuple[Address, str]]


def rehearse(  # noqa: PLR0917  # one call site, in the planner
    shown: Sequence[Change],
    guarded: Sequence[Change],
    services: Services,
    memory: Memory,
    declared: Declared,
    request: PlanRequest,
    now: datetime,
) -> tuple[list[Change], list[Change], Doubts]:
    """``shown`` and ``guarded`` with the refusals of what would lock somebody out, and what could not be looked into.
    ``shown`` stands in the order in which apply begins it."""
    rehearsal = rehearsal_of(
        shown, services=services, memory=memory, declared=declared, now=now, accepted=request.accept_outage
    )
    blocks = rehearsal.run(shown)
    return _with(blocks, shown), _with(blocks, guarded), rehearsal.warnings


def _with(blocks: Mapping[Address, Sequence[Block]], changes: Iterable[Change]) -> list[Change]:
    return [
        replace(change, blocked=(*change.blocked, *blocks[change.address])) if change.address in blocks else change
        for change in changes
    ]


def rehearsal_of(
    changes: Sequence[Change],
    *,
    services: Services,
    memory: Memory,
    declared: Declared,
    now: datetime,
    accepted: Collection[Address] = (),
) -> Rehearsal:
    """A rehearsal of these changes that is yet to be run."""
    view = PlanView(services, declared, memory)
    leaving = {change.address for change in changes if change.action in (Action.DELETE, Action.REPLACE)}

    def needs() -> Iterator[Need]:
        for address in memory.heads:
            kind = registry.kind(address.kind)
            if kind.needs is None or address in leaving:
                continue
            row = memory.row(address)
            observed = None if row is None else memory.observation(row)
            if row is not None and observed is not None:
                target = Target(address=address, provider=row.provider, attributes=row.attributes)
                yield from kind.needs(target, observed, services)

    return Rehearsal(
        world=key_world(view, memory, declared),
        services=view,
        now=now,
        dependents=services.dependents if isinstance(services, KnowsDependents) else lambda key_arn: Dependents(),
        needs=needs,
        known_keys=lambda: _known_keys(memory),
        accepted=accepted,
        name_of=lambda arn: _name_of(arn, memory),
    )


def _known_keys(memory: Memory) -> list[Reference]:
    """Every recorded key. Not what completes one: a policy has its key's ARN."""
    found = []
    for address in memory.heads:
        row = memory.row(address) if registry.completes(address.kind) is None else None
        if row is not None and _KEY.fullmatch(str(row.attributes.get("arn", ""))):
            found.append(Reference(address.kind, address.name))
    return found


def _name_of(arn: str, memory: Memory) -> str:
    """The resource that an ARN belongs to, else the ARN. Not what completes it: a policy has its key's ARN."""
    for address in memory.heads:
        row = memory.row(address)
        if row is not None and row.attributes.get("arn") == arn and registry.completes(address.kind) is None:
            return address
    return arn


def key_world(services: Services, memory: Memory, declared: Declared) -> KeyWorld:
    """The keys that manifests and state know of."""

    def recorded(address: Address) -> tuple[str, str] | None:
        row = memory.row(address)
        if row is None or row.identity is None or "arn" not in row.attributes:
            return None
        return str(row.attributes["arn"]), row.provider

    def new(address: Address) -> NewKey | None:
        resource = declared.get(address)
        if resource is None or resource.provider is None:
            return None
        spec: Any = resource.spec
        primary = None if spec.replica_of is None else declared.get(spec.replica_of.address)
        shared: Any = spec if primary is None else primary.spec
        return NewKey(
            provider=resource.provider,
            key_spec=shared.key_spec,
            key_usage=shared.key_usage,
            multi_region=shared.multi_region or spec.replica_of is not None,
            tags=dict(spec.tags),
            state=KeyState.PENDING_IMPORT if shared.origin == "EXTERNAL" else KeyState.ENABLED,
        )

    finds = services if isinstance(services, FindsKeys) else None
    return KeyWorld(
        services=services,
        recorded=recorded,
        new=new,
        key_service=lambda arn: None if finds is None else finds.key_service_of(arn),
    )


class PlanView(LiveServices):
    """``Services`` in which what the plan makes is there already, under the name that it will have."""

    def __init__(self, services: Services, declared: Declared, memory: Memory) -> None:
        super().__init__(services, self._planned)
        self._declared = declared
        self._memory = memory

    def key_service_of(self, arn: str) -> str | None:
        """See ``FindsKeys.key_service_of``."""
        return self._services.key_service_of(arn) if isinstance(self._services, FindsKeys) else None

    def _planned(self, address: Address) -> Mapping[str, Any]:
        row = self._memory.row(address)  # what was renamed or is being imported is recorded only there
        if row is not None and row.identity is not None:
            return row.attributes
        resource = self._declared.get(address)
        if resource is None:
            raise KeyError(address)
        return {"id": resource.external_name, "name": resource.external_name}
