"""The executor's walk, with steps that only tell what happens to them (DESIGN 4)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.applying.executor import CALLS_AT_ONCE, Executor, Result
from reconciler.applying.recorder import Recorder
from reconciler.errors import ConflictException
from reconciler.model import event
from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Operation, Outcome, Step, Verb
from reconciler.model.plan import Plan
from reconciler.model.ports import StepServices
from reconciler.model.recorded import Intent, Recorded
from reconciler.providers.census import Census
from reconciler.resources.planned import Planned
from reconciler.testing.fakes import ManualClock, SeededRandom

A, B, C, D = map(Address, ("Key/a", "Key/b", "Key/c", "Key/d"))


@dataclass(frozen=True, kw_only=True)
class Told(Step):
    """Runs ``does`` when its turn comes."""

    does: Callable[[StepServices], None] = lambda services: None

    def run(self, services: StepServices) -> Outcome:
        self.does(services)
        return Outcome(attributes={"id": self.id})


@dataclass
class Memory:
    """A recorder that remembers the order of things; ``provider`` is whose calls they all are."""

    begun: list[str] = field(default_factory=list)
    finished: list[tuple[str, bool]] = field(default_factory=list)
    provider: str = "kms"
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, change: Change, operation: Operation, step: Step) -> Intent:
        with self._turn:
            self.begun.append(step.id)
            return Intent(
                number=len(self.begun),
                address=change.address,
                uid="u",
                provider=self.provider,
                step=step.id,
                verb=str(operation.verb),
                token=f"token of {step.id}",
            )

    def finish(self, intent: Intent, outcome: Outcome, *, is_last: bool) -> int:
        with self._turn:
            self.finished.append((intent.step, is_last))
            return len(self.finished)

    def attributes(self, address: Address) -> Mapping[str, Any]:
        return {"id": str(address)}


class Services:
    clock, random, project = ManualClock(), SeededRandom(), Path()

    def provider(self, name: str) -> object:
        raise KeyError(name)

    def principal(self, name: str) -> str:
        return name

    def attributes(self, address: Address) -> Mapping[str, Any]:
        return {}


@dataclass
class Walk:
    """An executor, and what it told."""

    parallelism: int = 1
    memory: Memory = field(default_factory=Memory)
    events: list[event.Event] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, changes: list[Change], references: dict[Address, tuple[Address, ...]] | None = None) -> Result:
        given = references or {}
        executor = Executor(
            services=Services(),
            recorder=cast(Recorder, self.memory),
            census=lambda key_arn=None: Census(uses=(), unreachable=("far",)),
            emit=self.events.append,
            parallelism=self.parallelism,
            stop=self.stop,
        )
        plan = Plan(
            plan_id="p",
            created_at=ManualClock().now(),
            lineage="l",
            serial=0,
            manifests_digest="d",
            changes=tuple(changes),
            noop_count=0,
        )
        everything = {change.address: given.get(change.address, ()) for change in changes}
        rows = {
            address: Recorded(address=address, uid="u", provider="kms", references=targets)
            for address, targets in everything.items()
        }
        return executor.run(Planned(plan=plan, declared={}, references=everything, rows=rows))

    def told(self, kind: type[event.Event]) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind)]


def operation(*ids: str, does: Callable[[StepServices], None] = lambda services: None) -> Operation:
    steps = tuple(Told(id=name, summary=name, does=does) for name in ids)
    return Operation(verb=Verb.UPDATE, reason="", steps=steps)


def change(address: Address, *operations: Operation) -> Change:
    return Change(address=address, action=Action.UPDATE, operations=operations)


def fail(services: StepServices) -> None:
    raise ConflictException("not now")


def test_only_the_last_step_of_the_last_operation_ends_a_change() -> None:
    walk = Walk()
    result = walk.run([change(A, operation("a1", "a2"), operation("a3"))])
    assert walk.memory.finished == [("a1", False), ("a2", False), ("a3", True)]
    assert (result.done, result.failed, result.skipped, result.serial) == (2, 0, 0, 3)
    assert result.is_complete


def test_a_failure_skips_what_depends_on_it_however_far_and_says_why() -> None:
    walk = Walk()
    references = {B: (A,), C: (B,), D: ()}
    changes = [change(A, operation("a", does=fail)), *(change(each, operation(each)) for each in (B, C, D))]
    result = walk.run(changes, references)
    assert (result.done, result.failed, result.skipped) == (1, 1, 2)
    assert [(told.address, told.because) for told in walk.told(event.OperationSkipped)] == [
        (B, "Key/a failed"),
        (C, "Key/a failed"),
    ]
    assert walk.memory.begun == ["a", D]
    assert [problem.address for problem in result.problems] == [A]


def broken(services: StepServices) -> None:
    raise ZeroDivisionError("the key is hunter2")


def test_a_bug_of_a_plugin_is_one_failure_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECONCILER_DEBUG", raising=False)
    walk = Walk()
    result = walk.run([change(A, operation("a", does=broken)), change(B, operation("b"))])
    assert (result.done, result.failed) == (1, 1)
    (problem,) = result.problems
    assert (problem.code, problem.address) == ("internal", A)
    assert "ZeroDivisionError" in problem.summary
    assert "hunter2" not in repr(walk.events)


def test_for_whoever_looks_for_the_bug_it_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        Walk().run([change(A, operation("a", does=broken))])


def test_a_change_waits_for_everything_that_it_refers_to() -> None:
    walk = Walk(parallelism=8)
    changes = [change(each, operation(each)) for each in (A, B, C, D)]
    walk.run(changes, {A: (B, C, D)})
    assert walk.memory.begun[-1] == A
    assert len(walk.memory.begun) == 4


def test_what_fails_in_one_operation_holds_back_the_next_ones_of_its_resource() -> None:
    walk = Walk()
    walk.run([change(A, operation("a1", "a2", does=fail), operation("a3"))])
    assert walk.memory.begun == ["a1"]


def test_a_stop_is_heard_between_two_steps_and_nothing_new_starts() -> None:
    walk = Walk()
    result = walk.run([change(A, operation("a1", "a2", does=lambda _: walk.stop.set())), change(B, operation("b"))])
    assert walk.memory.begun == ["a1"]
    assert walk.memory.finished == [("a1", False)]
    assert (result.done, result.failed, result.skipped) == (0, 0, 2), "what was stopped did not fail"
    assert [told.because for told in walk.told(event.OperationSkipped)] == ["a stop was asked for"]
    assert [problem.code for problem in result.problems] == ["stopped"]
    assert result.had_effect


def test_a_stop_before_the_start_does_nothing() -> None:
    walk = Walk()
    walk.stop.set()
    result = walk.run([change(A, operation("a"))])
    assert (walk.memory.begun, result.skipped, result.had_effect) == ([], 1, False)


@pytest.mark.parametrize(("parallelism", "most"), [(1, 1), (3, 3), (16, CALLS_AT_ONCE)])
def test_no_more_calls_run_at_once_than_were_asked_for_and_than_a_provider_takes(parallelism: int, most: int) -> None:
    """As many as may run do run together: each waits until the others are there."""
    walk = Walk(parallelism=parallelism)
    inside, seen, turn = 0, [0], threading.Lock()
    full = threading.Barrier(most)

    def call(services: StepServices) -> None:
        nonlocal inside
        with turn:
            inside += 1
            seen.append(inside)
        full.wait(timeout=10)
        time.sleep(0.05)  # whoever is let in beside those would come now
        with turn:
            inside -= 1

    addresses = [Address(f"Key/{number}") for number in range(2 * most)]
    result = walk.run([change(address, operation(address, does=call)) for address in addresses])
    assert result.done == 2 * most
    assert max(seen) == most


def test_a_step_is_told_its_own_token_what_others_left_and_what_a_key_still_opens() -> None:
    heard: dict[str, Any] = {}

    def listen(services: StepServices) -> None:
        heard["token"] = services.token
        heard["attributes"] = services.attributes(B)
        heard["uses"] = services.key_uses("arn")
        services.progress("half way", 1, 2)

    walk = Walk()
    walk.run([change(A, operation("a", does=listen))])
    assert heard == {
        "token": "token of a",
        "attributes": {"id": B},
        "uses": ["whatever far holds, which cannot be asked"],
    }
    assert [(told.text, told.done, told.total) for told in walk.told(event.StepProgress)] == [("half way", 1, 2)]


def test_events_come_in_order_and_count() -> None:
    walk = Walk()
    walk.run([change(A, operation("a1", "a2"))])
    kinds = [type(each).__name__ for each in walk.events]
    one = ["StepStarted", "StepFinished"]
    assert kinds == ["ApplyStarted", "OperationStarted", *one, *one, "OperationFinished"]
    started = walk.told(event.ApplyStarted)[0]
    assert (started.operations, started.steps) == (1, 2)
    assert [(told.number, told.of) for told in walk.told(event.StepStarted)] == [(1, 2), (2, 2)]
    assert [told.serial for told in walk.told(event.StepFinished)] == [1, 2]
