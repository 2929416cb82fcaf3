"""Keys: what differs, in which order it is put right, and when they rotate (KM1, KM10, CONTRACT 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from reconciler.model.change import Action, Verdict
from reconciler.model.recorded import Recorded
from reconciler.resources.key.diff import diff, due_at
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpec
from reconciler.resources.kind import DiffInput
from tests.resources.keys import KEY, NOW, seen, spec

ARN = "arn:aws:kms:eu-west-1:111122223333:key/1"


def verdict(desired: KeySpec | None, observed: KeyObservation | None, *, is_made: bool = True, **given: Any) -> Verdict:
    recorded = Recorded(
        address=KEY, uid="u", provider="kms", attributes={"id": "1", "arn": ARN, **given.pop("attributes", {})}
    )
    return diff(
        DiffInput(
            address=KEY,
            name="k",
            provider="kms",
            desired=desired,
            recorded=recorded if is_made else None,
            observed=observed,
            now=NOW,
            resolve=lambda reference: None,
            **given,
        )
    )


def steps(found: Verdict) -> list[str]:
    return [step.id for operation in found.operations for step in operation.steps]


@dataclass(frozen=True)
class Case:
    declared: dict[str, Any]
    observed: dict[str, Any] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    shown: tuple[str, ...] = ()


EVERY = {"rotation": {"every": "90d"}}
DISABLED, PENDING = {"state": "Disabled"}, {"state": "PendingDeletion"}
CASES = {
    "as declared": Case({}),
    "another description": Case({"description": "x"}, steps=("describe",), shown=("spec.description",)),
    "a period is set": Case(EVERY, steps=("rotation-period",), shown=("spec.rotation.every",)),
    "and taken away": Case(
        {}, {"rotation_period_days": 90}, steps=("rotation-period",), shown=("spec.rotation.every",)
    ),
    "a disabled key is enabled": Case({}, DISABLED, steps=("enable",), shown=("spec.enabled",)),
    "before it takes a period": Case(
        EVERY, DISABLED, steps=("enable", "rotation-period"), shown=("spec.enabled", "spec.rotation.every")
    ),
    "a key is disabled last of all": Case(
        {"enabled": False, "description": "x", **EVERY},
        steps=("describe", "rotation-period", "disable"),
        shown=("spec.enabled", "spec.description", "spec.rotation.every"),
    ),
    "a disabled key takes no period": Case({"enabled": False, **EVERY}, DISABLED),
    "and nothing is shown of it": Case(
        {"enabled": False, "description": "x", **EVERY}, DISABLED, steps=("describe",), shown=("spec.description",)
    ),
    "a pending deletion is cancelled and the key enabled": Case(
        {}, PENDING, steps=("cancel-deletion", "enable"), shown=("spec.enabled",)
    ),
    "or left disabled, as declared": Case({"enabled": False}, PENDING, steps=("cancel-deletion",)),
    "an overdue key is rotated": Case(
        EVERY, {"rotation_period_days": 90, "rotated_at": NOW - timedelta(days=90)}, steps=("rotate",)
    ),
    "not a second early": Case(EVERY, {"rotation_period_days": 90, "rotated_at": NOW - timedelta(days=90, seconds=-1)}),
    "a changed trigger rotates": Case(
        {"rotation": {"trigger": "b"}}, attributes={"trigger": "a"}, steps=("rotate",), shown=("spec.rotation.trigger",)
    ),
    "a first trigger too": Case({"rotation": {"trigger": "a"}}, steps=("rotate",), shown=("spec.rotation.trigger",)),
    "the same trigger does not": Case({"rotation": {"trigger": "a"}}, attributes={"trigger": "a"}),
    "a removed trigger does not": Case({}, attributes={"trigger": "a"}),
    "a disabled key is not rotated": Case(
        {"enabled": False, **EVERY}, {**DISABLED, "rotated_at": NOW - timedelta(days=900)}
    ),
    "tags": Case(
        {"tags": {"a": "1", "b": "2"}},
        {"tags": {"a": "0", "c": "3"}},
        steps=("tag",),
        shown=("spec.tags",),
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_key_is_made_as_declared(case: str) -> None:
    given = CASES[case]
    found = verdict(spec(**given.declared), seen(ARN, **given.observed), attributes=given.attributes)
    assert tuple(steps(found)) == given.steps
    assert tuple(entry.path for entry in found.diff) == given.shown
    assert found.action == (Action.UPDATE if given.steps else Action.NOOP)


def test_only_what_cuts_a_key_off_says_so() -> None:
    cutting = verdict(spec(enabled=False, description="x"), seen(ARN))
    assert [operation.cuts_off for operation in cutting.operations] == [(), (ARN,)]


def test_a_new_key_is_made_whole_and_disabled_last() -> None:
    found = verdict(spec(enabled=False, **EVERY), None, is_made=False)
    assert found.action is Action.CREATE
    assert steps(found) == ["create-key", "rotation-period", "disable"]


@pytest.mark.parametrize("field", ["keySpec", "multiRegion"])
def test_what_cannot_be_changed_on_a_key_is_refused_with_a_way_out(field: str) -> None:
    observed = seen(ARN, key_spec="RSA_2048") if field == "keySpec" else seen(ARN, multi_region=True)
    found = verdict(spec(description="x"), observed)
    assert found.operations == ()
    (block,) = found.blocked
    assert block.guard == "key-replacement"
    assert f"spec.{field}" in block.reason
    assert len(block.way_out) == 3


def test_a_lost_key_is_never_silently_made_anew() -> None:
    found = verdict(spec(), None)
    assert [block.guard for block in found.blocked] == ["key-missing"]
    assert found.operations == ()


def test_a_removed_key_is_scheduled_for_deletion_with_its_own_window() -> None:
    found = verdict(None, seen(ARN), last_spec=spec(deletionWindow="7d"))
    assert found.action is Action.DELETE
    (operation,) = found.operations
    assert "in 7 days" in operation.steps[0].summary
    assert operation.cuts_off == (ARN,)
    assert "in 30 days" in verdict(None, seen(ARN)).operations[0].steps[0].summary


def test_a_removed_key_that_leaves_or_is_gone_needs_nothing_more() -> None:
    assert verdict(None, seen(ARN, state="PendingDeletion")) == Verdict()
    assert verdict(None, None).action is Action.FORGET
    assert verdict(None, None, is_made=False) == Verdict()


def test_when_time_alone_asks_for_a_change() -> None:
    rotated = NOW - timedelta(days=10)
    assert due_at(spec(**EVERY), {}, seen(ARN)) == (rotated + timedelta(days=90)).timestamp()
    assert due_at(spec(), {}, seen(ARN)) is None
    assert due_at(spec(**EVERY), {}, None) is None
