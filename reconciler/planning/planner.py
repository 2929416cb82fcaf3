"""The whole of "plan": which resources need a look, what each kind says, in which order, and what the guards refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.errors import Diagnostic
from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.plan import Finding, Plan
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded
from reconciler.planning.candidates import candidates
from reconciler.planning.request import PlanRequest
from reconciler.planning.selection import in_scope
from reconciler.resources.planned import Declared, Planned
from reconciler.state.store import Head, StateReader

if TYPE_CHECKING:
    from reconciler.graph.build import Graph
    from reconciler.providers.census import Census
    from reconciler.resources.kind import Observation


@dataclass(slots=True, kw_only=True)
class Planner:
    """Makes one plan. ``declared`` holds everything but Providers. ``measured`` is told how long refresh took, per
    resource."""

    declared: Declared
    manifests_digest: str
    state: StateReader
    services: Services
    census: Callable[[], Census]
    plan_id: str
    measured: Callable[[int, float], None] = lambda count, seconds: None

    def plan(self, request: PlanRequest) -> Planned:
        """What apply would do. Changes nothing (PS2)."""
        now = request.at or self.services.clock.now()
        declared: Declared = {} if request.destroy else self.declared
        heads = self.state.heads()
        rows: dict[Address, Recorded] = {}
        observed: dict[Address, Observation | None] = {}
        if request.refresh and heads:
            rows = {row.address: row for row in self.state.all()}
            observed = self._refresh(rows)
        moved = _moved(rows, observed)
        drift = self._drift(moved, rows, observed, now)
        found: set[Address] = set()
        if not request.refresh_only:
            found = candidates(declared, heads, now=now.timestamp(), moved=moved)
        if not found:
            plan = self._plan(request, now, [], len(declared), drift)
            return Planned(
                plan=plan, declared=declared, rows=rows, observed=observed, examined=_settled_anew(moved, request)
            )
        return self._examine(request, now, declared, heads, rows, observed, found, drift)

    def _examine(  # noqa: PLR0917  # the second half of plan(), apart so that a plan with nothing to do never loads the kinds
        self,
        request: PlanRequest,
        now: datetime,
        declared: Declared,
        heads: Mapping[Address, Head],
        rows: dict[Address, Recorded],
        observed: dict[Address, Observation | None],
        found: set[Address],
        drift: Sequence[Finding],
    ) -> Planned:
        from reconciler.graph.build import build, order
        from reconciler.planning.differ import Differ
        from reconciler.planning.guards import guard
        from reconciler.planning.refresh import refresh, remembered
        from reconciler.resources import registry

        def row(address: Address) -> Recorded | None:
            if address not in rows and address in heads:
                fetched = self.state.get(address)
                if fetched is not None:
                    rows[address] = fetched
            return rows.get(address)

        def observation(recorded: Recorded) -> Observation | None:
            if recorded.address not in observed:
                # What an interrupted change left is never taken from memory: observe, do not assume (I10).
                observed[recorded.address] = (
                    remembered(recorded) if recorded.settled else refresh([recorded], self.services)[recorded.address]
                )
            return observed[recorded.address]

        removed = [address for address in found if address not in declared]
        references = {address: resource.references for address, resource in declared.items()}
        for address in removed:
            recorded = row(address)
            references[address] = () if recorded is None else recorded.references
        scope = in_scope(request, references, references.keys() | heads.keys())
        graph = build(references, lambda name: registry.kind(name).completes)
        differ = Differ(declared=declared, row=row, observation=observation, request=request, now=now)
        dependents = _Dependents(graph)
        examined: list[Change] = []
        for address in order(graph):
            if address not in found and not dependents.is_waiting(address):
                continue
            if scope is not None and address not in scope:
                continue
            change = differ.change(address)
            examined.append(change)
            if change.action in (Action.CREATE, Action.REPLACE):
                dependents.wake(address)
        guarded = guard(examined, self.census, request.accept_outage)
        shown = [change for change in guarded if _is_shown(change)]
        warnings = [
            Diagnostic(code="plan-warning", severity="warning", summary=text, address=address)
            for address, text in differ.warnings
        ]
        plan = self._plan(
            request, now, shown, len(declared) - sum(c.address in declared for c in shown), drift, warnings
        )
        return Planned(
            plan=plan,
            declared=declared,
            references={address: tuple(targets) for address, targets in references.items()},
            rows=rows,
            observed=observed,
            examined=tuple(guarded),
        )

    def _refresh(self, rows: Mapping[Address, Recorded]) -> dict[Address, Observation | None]:
        from reconciler.planning.refresh import refresh

        clock = self.services.clock
        started = clock.now()
        seen = refresh(rows.values(), self.services)
        self.measured(len(rows), (clock.now() - started).total_seconds())
        return seen

    def _drift(
        self,
        moved: set[Address],
        rows: Mapping[Address, Recorded],
        observed: Mapping[Address, Observation | None],
        now: datetime,
    ) -> list[Finding]:
        if not moved:
            return []
        from reconciler.planning.drift import findings

        return findings([rows[address] for address in sorted(moved)], observed, now)

    def _plan(  # noqa: PLR0917  # one record, filled in one place
        self,
        request: PlanRequest,
        now: datetime,
        changes: Sequence[Change],
        noop_count: int,
        drift: Sequence[Finding],
        warnings: Sequence[Diagnostic] = (),
    ) -> Plan:
        return Plan(
            plan_id=self.plan_id,
            created_at=now,
            lineage=self.state.lineage,
            serial=self.state.serial,
            manifests_digest=self.manifests_digest,
            changes=tuple(changes),
            noop_count=noop_count,
            drift=tuple(drift),
            warnings=tuple(warnings),
            selection=request.as_json(),
        )


class _Dependents:
    """Resources that need a look only since something that they refer to is made anew in this plan."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._waiting: set[Address] = set()

    def wake(self, address: Address) -> None:
        self._waiting.update(self._graph.successors(address))

    def is_waiting(self, address: Address) -> bool:
        return address in self._waiting


def _moved(rows: Mapping[Address, Recorded], observed: Mapping[Address, Observation | None]) -> set[Address]:
    """Resources that are not as they were when last settled."""
    if not rows:
        return set()
    from reconciler.planning.refresh import canonical

    return {
        address
        for address, row in rows.items()
        if row.settled and address in observed and canonical(observed[address]) != row.observed
    }


def _settled_anew(moved: set[Address], request: PlanRequest) -> tuple[Change, ...]:
    if not request.refresh_only:
        return ()
    return tuple(Change(address=address, action=Action.NOOP) for address in sorted(moved))


def _is_shown(change: Change) -> bool:
    return change.action is not Action.NOOP or bool(change.operations) or bool(change.blocked)
