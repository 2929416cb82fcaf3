"""What a guard let through at plan is asked again by the step, right before its call (CONTRACT 5, I3)."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.commands import applying
from reconciler.commands.planning import make_plan
from reconciler.commands.session import Session
from reconciler.errors import BlockedByGuard
from reconciler.model.address import Address
from reconciler.planning.request import PlanRequest
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.keys import KeyState
from reconciler.providers.typed import caller, key_provider, warehouse_provider
from reconciler_tables import Tables
from reconciler_warehouse import Warehouse
from tests.world import World, document, provider

PROVIDERS = provider("kms") + provider("dw", "warehouse") + provider("tb", "tables")
LOOSE = "{preventDestroy: false}"
KEY = document("Key", "one", lifecycle=LOOSE)
OFF = document("Key", "one", lifecycle=LOOSE, enabled="false")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "project")
    made.declare(PROVIDERS + KEY)
    made.apply()
    return made


def cluster_under_it(session: Session) -> None:
    root = Root(kind=RootKind.KMS, key_arn=str(session.attributes(Address("Key/one"))["arn"]))
    request = ClusterRequest(name="late", node_type="ra3.large", nodes=1, database="dev", root=root)
    warehouse_provider(session, "dw").create_cluster(caller(session, "dw"), request, token="late")


def apply_with(world: World, between: Callable[[Session], None], **request: Any) -> str:
    """Plan; let something happen; carry that plan out. What was printed."""
    out = io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(out),
        world.session() as session,
        applying.holding_lock(session, "apply", 0, "text"),
    ):
        planned = make_plan(session, PlanRequest(**request), warn=False)
        assert not planned.plan.is_blocked
        with world.session() as elsewhere:
            between(elsewhere)
        try:
            applying.carry_out(session, planned, "text", parallelism=1)
        except BlockedByGuard as error:
            assert error.exit_code == 4
            return out.getvalue()
    raise AssertionError(out.getvalue())


def state_of_the_key(world: World) -> KeyState:
    with world.session() as session:
        key_id = str(session.attributes(Address("Key/one"))["id"])
        return key_provider(session, "kms").describe_keys(caller(session, "kms"), [key_id])[key_id].state


@pytest.mark.parametrize("manifests", [PROVIDERS, PROVIDERS + OFF], ids=["deletion", "disabling"])
def test_what_comes_under_the_key_after_the_plan_is_seen_before_the_call(world: World, manifests: str) -> None:
    world.declare(manifests)
    said = apply_with(world, cluster_under_it)
    assert "cluster late" in said
    assert state_of_the_key(world) is KeyState.ENABLED


def test_an_accepted_outage_is_not_asked_about_again(world: World) -> None:
    with world.session() as session:
        cluster_under_it(session)
    world.declare(PROVIDERS + OFF)
    world.apply(accept_outage=(Address("Key/one"),))
    assert state_of_the_key(world) is KeyState.DISABLED


def test_a_grant_that_data_came_to_rest_on_is_not_revoked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = document(
        "Grant", "g", key="one", granteePrincipal="arn:aws:iam::111122223333:role/a", operations="[Decrypt]"
    )
    world.declare(PROVIDERS + KEY + grant)
    world.apply()
    world.declare(PROVIDERS + KEY)

    def rests_on_it(session: Session) -> None:
        cluster_under_it(session)
        theirs, ours = Warehouse.key_uses, str(session.attributes(Address("Grant/g"))["id"])

        def uses(self: Warehouse, key_arn: str | None = None) -> list[Any]:
            return [replace(use, grant_id=ours) for use in theirs(self, key_arn)]

        monkeypatch.setattr(Warehouse, "key_uses", uses)

    assert "revoking Grant/g makes unreachable: cluster late" in apply_with(world, rests_on_it)


def test_the_removal_of_many_keys_asks_of_each_at_the_cost_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "many")
    keys = "".join(document("Key", f"k{number}", lifecycle=LOOSE) for number in range(30))
    world.declare(PROVIDERS + keys)
    world.apply()
    asked: list[str | None] = []
    for plane in (Warehouse, Tables):
        theirs = plane.key_uses

        def uses(self: Any, key_arn: str | None = None, theirs: Any = theirs) -> list[Any]:
            asked.append(key_arn)
            found: list[Any] = theirs(self, key_arn)
            return found

        monkeypatch.setattr(plane, "key_uses", uses)
    world.declare(PROVIDERS)
    world.apply()
    assert asked.count(None) == 2, "one census of everything for the plan, from each data plane"
    assert len(asked) == 2 + 2 * 30, "and of one key right before each call"
