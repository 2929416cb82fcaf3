"""The whole of "plan": which resources need a look, what each kind says, in which order, and what the guards refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.errors import Diagnostic
from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.plan import Finding, Plan
from reconciler.model.ports import Services
from reconciler.model.readdress import readdressed
from reconciler.model.recorded import Recorded
from reconciler.planning.candidates import candidates
from reconciler.planning.renaming import Renames, due
from reconciler.planning.request import PlanRequest
from reconciler.planning.selection import in_scope, refuse_unknown, with_users
from reconciler.resources.planned import Declared, Planned
from reconciler.state.store import Head, StateReader

if TYPE_CHECKING:
    from reconciler.graph.build import Graph
    from reconciler.planning.differ import Differ
    from reconciler.planning.guards.guarding import TakesInventory
    from reconciler.planning.importing import Imports
    from reconciler.planning.memory import Memory
    from reconciler.resources.kind import Observation


@dataclass(slots=True, kw_only=True)
class Planner:
    """Makes one plan. ``declared`` holds everything but Providers. ``measured`` is told how long refresh took, per
    resource."""

    declared: Declared
    manifests_digest: str
    state: StateReader
    services: Services
    inventory: TakesInventory
    plan_id: str
    measured: Callable[[int, float], None] = lambda count, seconds: None

    def plan(self, request: PlanRequest) -> Planned:
        """What apply would do. Changes nothing (PS2). UsageError for a flag that names an unknown resource."""
        now = request.at or self.services.clock.now()
        declared: Declared = {} if request.destroy else self.declared
        heads = self.state.heads()
        refuse_unknown(request, self.declared.keys() | heads.keys())
        rows: dict[Address, Recorded] = {}
        observed: dict[Address, Observation | None] = {}
        renames = self._renames(request, declared, heads)
        heads = renames.heads(heads)
        if heads and (request.refresh or renames.moves):
            rows = {row.address: row for row in readdressed(self.state.all(), renames.moves)}
        if request.refresh and heads:
            observed = self._refresh(rows)
        moved = _moved(rows, observed, also_unsettled=request.refresh_only)
        if request.refresh_only:
            moved = self._accepted(moved, request, declared, rows)
        drift = self._drift(moved, rows, observed, now)
        found: set[Address] = set()
        if not request.refresh_only:
            found = candidates(declared, heads, now=now.timestamp(), moved=moved) - renames.left_alone
            found.update(address for address in request.replace if address in declared)
        if not found:
            plan = self._plan(request, now, [], len(declared), drift)
            return Planned(
                plan=plan, declared=declared, rows=rows, observed=observed, examined=_settled_anew(moved, request)
            )
        from reconciler.planning.memory import Memory

        memory = Memory(state=self.state, services=self.services, heads=heads, rows=rows, observed=observed)
        return self._examine(request, now, declared, memory, found, drift, renames)

    def _examine(  # noqa: PLR0917  # the second half of plan(), apart so that a plan with nothing to do never loads kinds
        self,
        request: PlanRequest,
        now: datetime,
        declared: Declared,
        memory: Memory,
        found: set[Address],
        drift: Sequence[Finding],
        renames: Renames,
    ) -> Planned:
        from reconciler.graph.affected import affected
        from reconciler.graph.build import build
        from reconciler.planning.differ import Differ
        from reconciler.planning.key_names import key_behind
        from reconciler.planning.lockout_guard import rehearse
        from reconciler.planning.removal import keep_what_is_needed
        from reconciler.resources import registry

        references = {address: resource.references for address, resource in declared.items()}
        for address in found - declared.keys():
            row = memory.row(address)
            references[address] = () if row is None else row.references
        scope = in_scope(request, references, references.keys() | memory.heads.keys())
        graph = build(affected(references, found, registry.completes), registry.completes)
        importing = self._imports(declared, memory, found if scope is None else found & scope, renames)
        memory.adopt(importing.rows, importing.observed)
        differ = Differ(
            declared=declared,
            row=memory.row,
            observation=memory.observation,
            request=request,
            now=now,
            came_from=renames.came_from,
            importing=importing,
            warnings=list(renames.warnings()),
            key_behind=lambda arn: key_behind(arn, self.services),
        )
        kept = keep_what_is_needed(_changes(graph, differ, found, scope), memory.rows, registry.completes)
        guarded = self._guarded(kept, request, now, declared, memory, references)
        shown = _as_carried_out([change for change in guarded if _is_shown(change)], graph, declared, memory.rows)
        shown, guarded, doubts = rehearse(shown, guarded, self.services, memory, declared, request, now)
        if shown and memory.rows:
            from reconciler.planning.drift import with_standing

            drift = with_standing(drift, memory.rows, memory.observed, {change.address for change in shown}, now)
        warnings = [
            Diagnostic(code="plan-warning", severity="warning", summary=text, address=address)
            for address, text in (*differ.warnings, *doubts)
        ]
        unchanged = len(declared) - sum(change.address in declared for change in shown)
        return Planned(
            plan=self._plan(request, now, shown, unchanged, drift, warnings),
            declared=declared,
            references=references,
            rows={address: row for address, row in memory.rows.items() if address not in importing.rows},
            observed=memory.observed,
            examined=tuple(guarded),
            graph=graph,
            renames=renames.moves,
        )

    @staticmethod
    def _accepted(
        moved: set[Address], request: PlanRequest, declared: Declared, rows: Mapping[Address, Recorded]
    ) -> set[Address]:
        """What ``--refresh-only`` records as it is: what moved, as far as it was asked for."""
        references = {address: row.references for address, row in rows.items()}
        references.update((address, resource.references) for address, resource in declared.items())
        scope = in_scope(request, references, references.keys())
        return moved if scope is None else moved & scope

    def _renames(self, request: PlanRequest, declared: Declared, heads: Mapping[Address, Head]) -> Renames:
        """What ``spec.renamedFrom`` asks for now."""
        if request.refresh_only:
            return Renames()
        references = {address: resource.references for address, resource in declared.items()}
        known = declared.keys() | heads.keys()
        found = due(
            declared,
            heads,
            self.state.get,
            lambda: in_scope(request, references, known),
            excluded=request.excludes,
        )
        # What refers to a resource by a name that it does not get in this plan has to wait with it.
        left = with_users(found.left_alone, references) if found.left_alone else found.left_alone
        return replace(found, left_alone=frozenset(left))

    def _imports(self, declared: Declared, memory: Memory, found: set[Address], renames: Renames) -> Imports:
        """What ``spec.importId`` asks for now."""
        from reconciler.planning.importing import Importer, Imports, imports, managed_by

        new = (address for address in sorted(found & declared.keys()) if _is_unmade(memory.heads.get(address)))
        asking = [declared[address] for address in new if declared[address].spec.import_id is not None]
        if not asking:
            return Imports()
        managed = managed_by(readdressed(self.state.all(), renames.moves))
        return imports(asking, Importer(services=self.services, managed=managed))

    def _guarded(  # noqa: PLR0917  # the last part of _examine()
        self,
        changes: Sequence[Change],
        request: PlanRequest,
        now: datetime,
        declared: Declared,
        memory: Memory,
        references: Mapping[Address, tuple[Address, ...]],
    ) -> list[Change]:
        from reconciler.planning.guards.guarding import guard
        from reconciler.planning.guards.name_taken import refuse_taken_names

        begun = {intent.address for intent in self.state.open_intents()}
        return guard(
            refuse_taken_names(changes, declared, memory.heads, self.services, begun),
            self.inventory,
            accepted=request.accept_outage,
            now=now,
            row=memory.row,
            references=references,
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
        if changes:
            from reconciler.planning.estimating import estimated

            changes = estimated(changes, self.services)
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


def _changes(graph: Graph, differ: Differ, found: set[Address], scope: set[Address] | None) -> Iterator[Change]:
    """The verdict on every resource that needs a look, and on those that a change of another concerns."""
    from reconciler.graph.build import order

    woken: set[Address] = set()
    for address in order(graph):
        if (address in found or address in woken) and (scope is None or address in scope):
            change = differ.change(address)
            if change.action in (Action.CREATE, Action.REPLACE) or any(
                operation.concerns_dependents for operation in change.operations
            ):
                woken.update(graph.successors(address))
            yield change


def _as_carried_out(
    changes: list[Change], graph: Graph, declared: Declared, rows: Mapping[Address, Recorded]
) -> list[Change]:
    """The changes in the order in which apply begins them; what needs no operation stands last."""
    import networkx as nx

    from reconciler.graph.operations import operation_graph
    from reconciler.resources import registry

    walk = operation_graph(
        changes,
        graph,
        desired={address: resource.references for address, resource in declared.items()},
        recorded={address: row.references for address, row in rows.items()},
        rank=registry.completes,
    )
    begins: dict[Address, int] = {}
    for wave, nodes in enumerate(nx.topological_generations(walk)):
        for address, _ in nodes:
            begins.setdefault(address, wave)
    last = len(walk)
    return sorted(changes, key=lambda change: (begins.get(change.address, last), change.address))


def _moved(
    rows: Mapping[Address, Recorded], observed: Mapping[Address, Observation | None], *, also_unsettled: bool
) -> set[Address]:
    """Resources that are not as they were when last settled, or when they were last looked at."""
    if not rows:
        return set()
    from reconciler.planning.refresh import canonical

    return {
        address
        for address, row in rows.items()
        if (row.settled or also_unsettled) and address in observed and canonical(observed[address]) != row.observed
    }


def _is_unmade(head: Head | None) -> bool:
    return head is None or head.identity is None


def _settled_anew(moved: set[Address], request: PlanRequest) -> tuple[Change, ...]:
    if not request.refresh_only:
        return ()
    return tuple(Change(address=address, action=Action.NOOP) for address in sorted(moved))


def _is_shown(change: Change) -> bool:
    return change.action is not Action.NOOP or bool(change.operations) or bool(change.blocked)
