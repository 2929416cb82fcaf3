"""Walk the plan: an operation starts when what it waits for is done; a failure skips only what depends on it (DESIGN
4)."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from reconciler.applying.course import Course
from reconciler.applying.recorder import Recorder
from reconciler.applying.retry import with_patience
from reconciler.applying.step_services import OneStep
from reconciler.errors import (
    BlockedByGuard,
    Diagnostic,
    IncompatibleHsm,
    LockHeld,
    ReconcilerError,
    ServiceError,
    Unforeseen,
)
from reconciler.graph.affected import affected
from reconciler.graph.build import build
from reconciler.graph.operations import Node, operation_graph
from reconciler.host.sqlite import explain_os_error
from reconciler.model import event
from reconciler.model.address import Address
from reconciler.model.change import Change, Operation, Step
from reconciler.model.ports import Services, StopRequested
from reconciler.providers.census import TakesCensus
from reconciler.resources import registry
from reconciler.resources.planned import Planned

if TYPE_CHECKING:
    from reconciler.graph.operations import OperationGraph

CALLS_AT_ONCE = 4
_STOPPED = -1  # in place of a serial


@dataclass(slots=True)
class Result:
    """How an apply ended. ``had_effect`` is whether a step was finished, or failed in a way that leaves that open;
    ``exit_codes`` are those of the failures."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    serial: int = 0
    had_effect: bool = False
    exit_codes: set[int] = field(default_factory=set)
    problems: list[Diagnostic] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everything planned was done."""
        return not self.failed and not self.skipped


@dataclass(slots=True, kw_only=True)
class Executor:
    """Carries out one plan. ``stop`` set: running steps go on to their next durable checkpoint or their end, nothing
    new starts (CONTRACT 4, Ctrl-C)."""

    services: Services
    recorder: Recorder
    census: TakesCensus
    emit: event.Emit
    parallelism: int
    stop: threading.Event
    _limits: dict[str, threading.Semaphore] = field(default_factory=dict)
    _emitting: threading.Lock = field(default_factory=threading.Lock)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def run(self, planned: Planned) -> Result:
        """Apply the plan; failures are in the result, each with the resource that it befell."""
        changes = {change.address: change for change in planned.plan.changes if change.operations}
        course = Course(self._walk(planned, list(changes.values())), self.stop)
        operations = [operation for change in changes.values() for operation in change.operations]
        steps = sum(len(operation.steps) for operation in operations)
        self._say(event.ApplyStarted(plan_id=planned.plan.plan_id, operations=len(operations), steps=steps))
        result = Result(serial=planned.plan.serial)
        many = max(1, min(self.parallelism, len(operations)))
        with ThreadPoolExecutor(max_workers=many, thread_name_prefix="apply") as pool:
            for worker in [pool.submit(self._work, course, changes, result) for _ in range(many)]:
                worker.result()
        for node in course.left():
            self._skip(node, changes, result, because="a stop was asked for")
        return result

    def _work(self, course: Course, changes: Mapping[Address, Change], result: Result) -> None:
        """Carry out one operation after the other, as long as there are any."""
        try:
            while (node := course.take()) is not None:
                serial = self._operate(changes[node[0]], node[1], result)
                if serial is not None and serial != _STOPPED:
                    with self._counting:
                        result.done += 1
                        result.serial = max(result.serial, serial)
                    course.done(node)
                    continue
                with self._counting:
                    result.failed += serial is None
                    result.skipped += serial is not None
                because = f"{node[0]} {'failed' if serial is None else 'was stopped'}"
                for later in course.failed(node):
                    self._skip(later, changes, result, because=because)
        except BaseException:
            course.give_up()
            raise

    def _walk(self, planned: Planned, changes: Sequence[Change]) -> OperationGraph:
        desired = {address: resource.references for address, resource in planned.declared.items()}
        recorded = {address: row.references for address, row in planned.rows.items()}
        graph = planned.graph
        if graph is None:
            concerned = affected(planned.references, (change.address for change in changes), registry.completes)
            graph = build(concerned, registry.completes)
        return operation_graph(changes, graph, desired=desired, recorded=recorded, rank=registry.completes)

    def _operate(self, change: Change, index: int, result: Result) -> int | None:
        """Run one operation; the state's serial after it, None when it failed, ``_STOPPED`` in the middle of it."""
        operation = change.operations[index]
        is_last_operation = index == len(change.operations) - 1
        started = monotonic()
        self._say(event.OperationStarted(address=change.address, verb=str(operation.verb), reason=operation.reason))
        serial = 0
        try:
            for number, step in enumerate(operation.steps, 1):
                if self.stop.is_set() and number > 1:
                    return self._stopped(change, operation, result)
                is_last = is_last_operation and number == len(operation.steps)
                serial = self._step(change, operation, step, number, is_last=is_last, result=result)
        except StopRequested:
            return self._stopped(change, operation, result)
        except Exception as error:  # a bug of a plugin is one operation's failure, and must not end the others
            if os.environ.get("RECONCILER_DEBUG") and not isinstance(error, (ReconcilerError, OSError)):
                raise
            found = tuple(_located(diagnostic, change) for diagnostic in _explained(error).diagnostics())
            self._note(_explained(error), result)
            result.problems.extend(found)
            self._say(event.OperationFailed(address=change.address, verb=str(operation.verb), diagnostics=found))
            return None
        seconds = monotonic() - started
        self._say(event.OperationFinished(address=change.address, verb=str(operation.verb), seconds=seconds))
        return serial

    def _step(
        self, change: Change, operation: Operation, step: Step, number: int, *, is_last: bool, result: Result
    ) -> int:
        intent = self.recorder.begin(change, operation, step)
        self._say(
            event.StepStarted(
                address=change.address, step=step.id, summary=step.summary, number=number, of=len(operation.steps)
            )
        )
        started = monotonic()

        def report(text: str, done: int | None, total: int | None) -> None:
            self._say(event.StepProgress(address=change.address, step=step.id, text=text, done=done, total=total))

        services = OneStep(
            self.services, self.recorder.attributes, token=intent.token, census=self.census, report=report
        )
        try:
            with self._limit(intent.provider):
                outcome = with_patience(lambda: step.run(services), self.services.clock)
        except (ServiceError, BlockedByGuard, IncompatibleHsm):
            raise  # refused: it did nothing
        except BaseException:
            result.had_effect = True  # whether it did is not known
            raise
        result.had_effect = True
        serial = self.recorder.finish(intent, outcome, is_last=is_last)
        self._say(
            event.StepFinished(address=change.address, step=step.id, serial=serial, seconds=monotonic() - started)
        )
        return serial

    def _note(self, error: ReconcilerError, result: Result) -> None:
        result.exit_codes.add(error.exit_code)
        if isinstance(error, LockHeld):
            self.stop.set()  # somebody else took over: nothing more may be begun under the old token (I13)

    def _stopped(self, change: Change, operation: Operation, result: Result) -> int:
        problem = Diagnostic(
            code="stopped",
            summary=f"{change.address} was stopped in the middle of {operation.verb}",
            address=change.address,
            suggestion="Run apply again: it goes on from the last finished step.",
        )
        result.problems.append(problem)
        self._say(event.OperationFailed(address=change.address, verb=str(operation.verb), diagnostics=(problem,)))
        return _STOPPED

    def _limit(self, provider: str) -> threading.Semaphore:
        with self._counting:
            return self._limits.setdefault(provider, threading.Semaphore(CALLS_AT_ONCE))

    def _skip(self, node: Node, changes: Mapping[Address, Change], result: Result, *, because: str) -> None:
        with self._counting:
            result.skipped += 1
        operation = changes[node[0]].operations[node[1]]
        self._say(event.OperationSkipped(address=node[0], verb=str(operation.verb), because=because))

    def _say(self, what: event.Event) -> None:
        with self._emitting:
            self.emit(what)


def _explained(error: Exception) -> ReconcilerError:
    if isinstance(error, ReconcilerError):
        return error
    if isinstance(error, OSError):
        return explain_os_error(error, Path(str(error.filename or "its data")), "data store")
    return Unforeseen(
        # The class only: the text of an unforeseen error might carry what must not be shown (I19).
        f"Something unforeseen went wrong inside the provider ({type(error).__name__})",
        suggestion="Run it again with RECONCILER_DEBUG=1 to see where, and report that.",
    )


def _located(diagnostic: Diagnostic, change: Change) -> Diagnostic:
    return diagnostic if diagnostic.address is not None else replace(diagnostic, address=change.address)
