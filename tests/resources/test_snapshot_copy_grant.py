"""SnapshotCopyGrant: made in the destination Region, replaced while nothing copies through it (SC2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.resources.snapshot_copy_grant.kind import KIND
from reconciler.resources.snapshot_copy_grant.spec import SnapshotCopyGrantSpec
from tests.resources.in_memory import OWNED, World, kms, shape

NAME = "from-eu"
ADDRESS = Address("SnapshotCopyGrant/from-eu")
REPLACED = ["replace: delete-copy-grant create-copy-grant"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.key("one")
    made.key("two")
    return made


def grant(**spec: Any) -> SnapshotCopyGrantSpec:
    return SnapshotCopyGrantSpec.model_validate({"provider": "us", **spec})


def observed(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.us.grants[NAME] = replace(world.us.grants[NAME], **changes)

    return change


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` is applied, ``behind`` changes the world behind our back, ``after`` is planned."""

    before: SnapshotCopyGrantSpec
    after: SnapshotCopyGrantSpec
    expect: list[str]
    behind: Callable[[World], None] = lambda world: None


COPYING = observed(copying=("arn:aws:redshift:eu-west-1:1:cluster:sales",))
CASES = {
    "nothing differs: nothing to do": Case(before=grant(key="one"), after=grant(key="one"), expect=[]),
    "no key is the owned one": Case(before=grant(), after=grant(), expect=[]),
    "another key, and nothing copies through it: replace": Case(
        before=grant(key="one"), after=grant(key="two"), expect=REPLACED
    ),
    "another key, and a cluster copies through it: refused, with the way out": Case(
        before=grant(key="one"), behind=COPYING, after=grant(key="two"), expect=["blocked: copying-through-grant"]
    ),
    "a key for the owned one": Case(before=grant(), after=grant(key="one"), expect=REPLACED),
    "the key is left out: no silent downgrade (I18)": Case(
        before=grant(key="one"), after=grant(), expect=["blocked: silent-downgrade"]
    ),
    "a key that is yet to be made": Case(before=grant(key="one"), after=grant(key="new"), expect=REPLACED),
    "another name": Case(before=grant(), after=grant(externalName="other"), expect=REPLACED),
    "it was removed behind our back: made again": Case(
        before=grant(key="one"),
        behind=lambda world: world.us.grants.clear(),
        after=grant(key="one"),
        expect=["create: create-copy-grant"],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_grant_that_exists(world: World, case: Case) -> None:
    world.apply(KIND, NAME, case.before)
    case.behind(world)
    verdict = world.plan(KIND, NAME, case.after)
    assert shape(verdict) == case.expect
    assert all(block.way_out for block in verdict.blocked)
    if verdict.operations:
        world.key("new")
        world.apply(KIND, NAME, case.after)
        assert shape(world.plan(KIND, NAME, case.after)) == []


def test_a_new_grant_is_made_in_its_own_region(world: World) -> None:
    verdict = world.apply(KIND, NAME, grant(key="one"))
    assert (verdict.action, shape(verdict)) == (Action.CREATE, ["create: create-copy-grant"])
    assert world.us.grants[NAME].root == kms("arn:aws:kms:eu-west-1:111122223333:key/one")
    assert world.eu.grants == {}
    world.apply(KIND, "owned", grant())
    assert world.us.grants["owned"].root == OWNED


def test_a_replacement_that_was_interrupted_goes_on(world: World) -> None:
    world.apply(KIND, NAME, grant(key="one"))
    desired = grant(key="two")
    (replacement,) = world.plan(KIND, NAME, desired).operations
    assert replacement.lets_go == (world.us.grants[NAME].arn,)
    world.carry_out(ADDRESS, desired, [replace(replacement, steps=replacement.steps[:1])])
    assert world.us.grants == {}
    assert shape(world.plan(KIND, NAME, desired)) == ["create: create-copy-grant"]


def test_removing_it(world: World) -> None:
    world.apply(KIND, NAME, grant(key="one"))
    verdict = world.apply(KIND, NAME, None)
    assert shape(verdict) == ["delete: delete-copy-grant"]
    assert verdict.operations[0].lets_go
    assert world.us.grants == {}
    assert ADDRESS not in world.rows
    assert world.plan(KIND, NAME, None).action is Action.NOOP


def test_removing_what_is_gone_forgets_it(world: World) -> None:
    world.apply(KIND, NAME, grant())
    world.us.grants.clear()
    assert world.plan(KIND, NAME, None).action is Action.FORGET


DRIFT = {
    "nothing moved": (lambda world: None, []),
    "a cluster copies through it by now: no drift": (COPYING, []),
    "it is gone": (lambda world: world.us.grants.clear(), ["copy-grant-missing"]),
    "it fell to the owned key": (observed(root=OWNED), ["key-replaced-by-owned"]),
    "it is under another key": (observed(root=kms("arn:aws:kms:us-east-1:1:key/x")), ["attribute-changed"]),
}


@pytest.mark.parametrize(("behind", "classes"), DRIFT.values(), ids=DRIFT.keys())
def test_drift(world: World, behind: Callable[[World], None], classes: list[str]) -> None:
    world.apply(KIND, NAME, grant(key="one"))
    behind(world)
    assert [finding.drift_class for finding in world.drift(KIND, NAME)] == classes
