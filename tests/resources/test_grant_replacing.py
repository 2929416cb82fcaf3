"""A grant is replaced by create, verify, revoke: the old one ends only when the new one serves (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.errors import ReconcilerError
from reconciler.model.address import Address
from reconciler.providers.keys import GrantDescription, IssuesGrants
from reconciler.providers.typed import caller, key_provider
from reconciler_softkms.provider import SoftKms
from tests.world import World, document, provider

APP = "arn:aws:iam::111122223333:role/app"


def manifests(operations: str) -> str:
    grant = document("Grant", "app", key="k", granteePrincipal=APP, operations=operations)
    return provider() + document("Key", "k") + grant


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "project")
    world.declare(manifests("[Decrypt]"))
    world.apply()
    world.declare(manifests("[Decrypt, Encrypt]"))
    return world


def grants(world: World) -> list[tuple[str, ...]]:
    with world.session() as session:
        service = cast(IssuesGrants, key_provider(session, "kms"))
        arn = str(session.attributes(Address("Key/k"))["arn"])
        return sorted(grant.operations for grant in service.list_grants(caller(session, "kms"), arn))


def test_the_new_grant_is_made_and_verified_before_the_old_one_is_revoked(world: World) -> None:
    (change,) = world.plan().changes
    steps = [step.id for operation in change.operations for step in operation.steps]

    assert steps == ["create-grant", "verify-grant", "revoke-grant"]
    world.apply()
    assert grants(world) == [("Decrypt", "Encrypt")]
    assert not world.plan().changes


def without(grant: GrantDescription) -> GrantDescription | None:
    return None if "Encrypt" in grant.operations else grant


def weaker(grant: GrantDescription) -> GrantDescription | None:
    return replace(grant, operations=("Decrypt",))


def for_another(grant: GrantDescription) -> GrantDescription | None:
    return replace(grant, grantee_principal=f"{APP}-2") if "Encrypt" in grant.operations else grant


@pytest.mark.parametrize("told", [without, weaker, for_another])
def test_a_new_grant_that_does_not_serve_leaves_the_old_one_in_force(
    told: Callable[[GrantDescription], GrantDescription | None], world: World
) -> None:
    real = SoftKms.list_grants

    def listing(service: SoftKms, *arguments: Any) -> list[GrantDescription]:
        return [shown for grant in real(service, *arguments) if (shown := told(grant)) is not None]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(ReconcilerError) as failed:
        patch.setattr(SoftKms, "list_grants", listing)
        world.apply()
    assert failed.value.diagnostics()
    assert grants(world) == [("Decrypt",), ("Decrypt", "Encrypt")], (
        "the old one went before the new one was seen to serve"
    )

    world.apply()
    assert grants(world) == [("Decrypt", "Encrypt")]
    assert not world.plan().changes
