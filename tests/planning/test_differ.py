"""What a kind is told when it is asked for its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from reconciler.graph.build import build
from reconciler.model.address import Address
from reconciler.model.change import Action, Block, Change, Operation, Verb, Verdict
from reconciler.model.recorded import Recorded, Standing
from reconciler.planning.differ import Differ
from reconciler.planning.planner import _changes
from reconciler.planning.request import PlanRequest
from reconciler.resources import registry
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput, ResourceKind
from reconciler.resources.reference import Reference
from reconciler.resources.resource import Resource
from reconciler.testing.fakes import ManualClock

KEY, ALIAS, POLICY = Address("Key/k"), Address("Alias/a"), Address("KeyPolicy/p")
TO_KEY = Reference("Key", "k")
Diff = Callable[[DiffInput[KeySpec, KeyObservation]], Verdict]


def resource(address: Address, *references: Address) -> Resource:
    return Resource(
        address=address,
        digest="d",
        provider="kms",
        references=references,
        external_name="at-provider",
        file="x.yaml",
        line=1,
        labels={"tier": "gold"},
        build_spec=lambda: KeySpec(provider="kms", description="declared"),
    )


ROW = Recorded(address=KEY, uid="u", provider="kms", attributes={"id": "1", "arn": "arn:1"})
DECLARED = {KEY: resource(KEY), ALIAS: resource(ALIAS, KEY), POLICY: resource(POLICY, KEY)}


def differ(*rows: Recorded, declared: dict[Address, Resource] = DECLARED) -> Differ:
    by_address = {row.address: row for row in rows}
    return Differ(
        declared=declared,
        row=by_address.get,
        observation=lambda row: None,
        request=PlanRequest(),
        now=ManualClock().now(),
    )


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[DiffInput[Any, Any]]]:
    """Lets kinds answer with these verdicts; what each was told."""

    def arrange(**verdicts: Verdict) -> list[DiffInput[Any, Any]]:
        told: list[DiffInput[Any, Any]] = []

        def kind(name: str) -> ResourceKind[Any, Any]:
            def diff(given: DiffInput[Any, Any]) -> Verdict:
                told.append(given)
                return verdicts.get(name, Verdict())

            return replace(original("Key"), name=name, diff=diff, completes=0 if name == "KeyPolicy" else None)

        original = registry.kind
        monkeypatch.setattr(registry, "kind", kind)
        return told

    return arrange


Arrange = Callable[..., list[DiffInput[Any, Any]]]


def test_a_kind_is_told_what_is_declared(answer: Arrange) -> None:
    told = answer()
    differ(replace(ROW, spec='{"provider": "kms", "description": "applied"}')).change(KEY)
    (given,) = told
    assert (given.address, given.name, given.provider) == (KEY, "at-provider", "kms")
    assert given.labels == {"tier": "gold"}
    assert given.desired is not None
    assert given.desired.description == "declared"
    assert given.last_spec is not None
    assert given.last_spec.description == "applied"
    assert given.declared(TO_KEY) is given.desired
    assert given.declared(Reference("Key", "unknown")) is None


def test_a_reference_to_what_exists_gives_what_is_recorded(answer: Arrange) -> None:
    told = answer()
    differ(ROW).change(ALIAS)
    assert told[0].resolve(TO_KEY) == {"id": "1", "arn": "arn:1"}
    assert told[0].arn_of(TO_KEY) == "arn:1"


def test_a_reference_to_an_unmanaged_object_gives_its_arn(answer: Arrange) -> None:
    told = answer()
    differ().change(ALIAS)
    assert told[0].resolve(Reference("Key", arn="arn:x")) == {"id": "arn:x", "arn": "arn:x"}


@pytest.mark.parametrize(
    "rows", [(), (replace(ROW, attributes={"arn": "arn:half"}),)], ids=["never made", "begun, without identity"]
)
def test_a_reference_to_what_does_not_exist_gives_nothing(answer: Arrange, rows: tuple[Recorded, ...]) -> None:
    told = answer()
    differ(*rows).change(ALIAS)
    assert told[0].resolve(TO_KEY) is None


@pytest.mark.parametrize("action", [Action.CREATE, Action.REPLACE])
def test_a_reference_to_what_this_plan_makes_anew_gives_nothing_though_something_is_recorded(
    answer: Arrange, action: Action
) -> None:
    told = answer(Key=Verdict(action=action))
    asked = differ(ROW)
    asked.change(KEY)
    asked.change(ALIAS)
    assert told[1].resolve(TO_KEY) is None


def test_a_reference_to_what_this_plan_changes_in_place_gives_what_is_recorded(answer: Arrange) -> None:
    told = answer(Key=Verdict(action=Action.UPDATE))
    asked = differ(ROW)
    asked.change(KEY)
    asked.change(ALIAS)
    assert told[1].resolve(TO_KEY) == ROW.attributes


def test_what_completes_a_target_and_is_made_by_this_plan_is_arriving(answer: Arrange) -> None:
    told = answer(KeyPolicy=Verdict(action=Action.CREATE), Alias=Verdict(action=Action.CREATE))
    asked = differ(ROW)
    for address in (POLICY, ALIAS, KEY):
        asked.change(address)
    assert told[-1].arriving(TO_KEY) == [POLICY], "an alias completes nothing"
    assert told[-1].arriving(Reference("Key", "other")) == []


def test_a_policy_that_is_there_already_is_not_arriving(answer: Arrange) -> None:
    told = answer(KeyPolicy=Verdict(action=Action.UPDATE))
    asked = differ(ROW)
    for address in (POLICY, KEY):
        asked.change(address)
    assert told[-1].arriving(TO_KEY) == []


def test_warnings_keep_the_resource_that_they_are_about(answer: Arrange) -> None:
    answer(Key=Verdict(warnings=("mind this",)))
    asked = differ(ROW)
    asked.change(KEY)
    assert asked.warnings == [(KEY, "mind this")]


def test_what_waits_out_its_window_shows_no_diff_and_no_block(answer: Arrange) -> None:
    answer(Key=Verdict(blocked=(Block(guard="g", reason="", way_out=()),)))
    leaving = replace(ROW, standing=Standing.LEAVING)
    assert differ(leaving, declared={}).change(KEY).blocked == ()


def test_a_kind_that_was_never_made_and_is_not_declared_is_not_asked(answer: Arrange) -> None:
    told = answer()
    assert differ(declared={}).change(KEY).action is Action.NOOP
    assert told == []


class Asked:
    """Answers for the key with ``verdict``; whom it was asked about."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.about: list[Address] = []

    def change(self, address: Address) -> Change:
        self.about.append(address)
        verdict = self.verdict if address == KEY else Verdict()
        return Change(address=address, action=verdict.action, operations=verdict.operations)


def rotating(*, concerns_dependents: bool) -> Verdict:
    operation = Operation(verb=Verb.ROTATE, reason="", steps=(), concerns_dependents=concerns_dependents)
    return Verdict(action=Action.UPDATE, operations=(operation,))


WOKEN = {
    "an object that is made": (Verdict(action=Action.CREATE), True),
    "an object that is made anew": (Verdict(action=Action.REPLACE), True),
    "a change that says so": (rotating(concerns_dependents=True), True),
    "no other change": (rotating(concerns_dependents=False), False),
    "nothing to do": (Verdict(), False),
}


@pytest.mark.parametrize("case", WOKEN, ids=str)
def test_what_refers_to_a_resource_is_asked_again_after(case: str) -> None:
    verdict, is_asked = WOKEN[case]
    asked = Asked(verdict)
    graph = build({KEY: (), ALIAS: (KEY,)}, lambda kind: None)
    list(_changes(graph, cast(Differ, asked), {KEY}, None))
    assert asked.about == ([KEY, ALIAS] if is_asked else [KEY])


def test_but_not_what_the_plan_was_told_to_leave_out() -> None:
    asked = Asked(Verdict(action=Action.CREATE))
    graph = build({KEY: (), ALIAS: (KEY,)}, lambda kind: None)
    list(_changes(graph, cast(Differ, asked), {KEY, ALIAS}, {KEY}))
    assert asked.about == [KEY]
