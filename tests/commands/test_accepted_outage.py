"""An outage is accepted as the plan showed it: what came under the key since makes a saved plan stale (I12)."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.commands.planning import make_plan
from reconciler.commands.saved_plan import plan_digest
from reconciler.model.address import Address
from reconciler.planning.request import PlanRequest
from tests.applying.test_guards_at_the_call import KEY, OFF, PROVIDERS, cluster_under_it
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(PROVIDERS + KEY)
    made.apply()
    return made


def digest(world: World) -> str:
    with world.session() as session:
        request = PlanRequest(accept_outage=(Address("Key/one"),))
        return plan_digest(make_plan(session, request, warn=False).plan)


def test_a_plan_whose_outage_has_grown_is_another_plan(world: World) -> None:
    world.declare(PROVIDERS + OFF)
    before = digest(world)
    assert digest(world) == before
    world.clock.advance(days=1)
    assert digest(world) == before, "when the key could go moves with time, and is no part of what is done"
    with world.session() as session:
        cluster_under_it(session)
    assert digest(world) != before
