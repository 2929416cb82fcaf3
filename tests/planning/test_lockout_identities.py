"""What a change of an identity policy takes away is told at plan (CONTRACT 5)."""

from __future__ import annotations

from pathlib import Path

from reconciler.access.caller import Caller
from reconciler.planning.lockout_identities import ChangedIdentity, with_changes
from reconciler.resources.simulated_key import identity_policy
from tests.world import World, document, provider

ME = "arn:aws:iam::111122223333:role/platform"
OTHER = "arn:aws:iam::111122223333:role/app"


def holds(name: str, *statements: str, who: str = ME) -> str:
    said = ", ".join(statements)
    return document("IdentityPolicy", name, principal=who, document=f"{{Version: '2012-10-17', Statement: [{said}]}}")


def says(effect: str, action: str) -> str:
    return f"{{Sid: one, Effect: {effect}, Action: '{action}', Resource: '*'}}"


def guards(world: World, manifests: str) -> dict[str, list[str]]:
    world.declare(manifests)
    found = {str(change.address): [block.guard for block in change.blocked] for change in world.plan().changes}
    return {address: blocked for address, blocked in found.items() if blocked}


KMS = provider("kms")
KEY = document("Key", "main")


def test_who_may_not_change_identity_policies_is_told(tmp_path: Path) -> None:
    nobody = KMS + "  config: {administrators: []}\n"
    assert guards(World(tmp_path), nobody + holds("app", says("Allow", "kms:*"), who=OTHER)) == {
        "IdentityPolicy/app": ["key-permission"]
    }


def test_a_policy_for_somebody_else_locks_nobody_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.declare(KMS + KEY)
    world.apply()
    assert guards(world, KMS + KEY + holds("app", says("Deny", "*"), who=OTHER)) == {}


def test_an_allow_for_oneself_locks_nobody_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.declare(KMS + KEY)
    world.apply()
    assert guards(world, KMS + KEY + holds("me", says("Allow", "kms:*"))) == {}


def test_what_keeps_a_later_step_of_the_plan_from_its_key_is_to_blame(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.declare(KMS + KEY)
    world.apply()
    named = document("Alias", "main", key="main") + "  dependsOn: [IdentityPolicy/me]\n"
    assert guards(world, KMS + KEY + named + holds("me", says("Deny", "kms:CreateAlias"))) == {
        "IdentityPolicy/me": ["policy-lockout"]
    }


def test_taking_away_a_denial_gives_back_what_it_denied(tmp_path: Path) -> None:
    world = World(tmp_path)
    denied = holds("me", says("Deny", "kms:CreateAlias"))
    world.declare(KMS + KEY + denied)
    world.apply()
    named = document("Alias", "main", key="main")
    assert "Alias/main" in guards(world, KMS + KEY + denied + named)
    world.declare(KMS + KEY)
    world.apply()
    assert guards(world, KMS + KEY + named) == {}


def test_a_change_takes_the_place_of_what_was_held_under_the_name_and_of_nothing_else() -> None:
    one, two, other = (
        identity_policy({"Statement": [{"Effect": "Allow", "Action": f"kms:{name}", "Resource": "*"}]})
        for name in ("Encrypt", "Decrypt", "Sign")
    )
    role = Caller(principal=OTHER, account="111122223333")
    session = Caller(principal="arn:aws:sts::111122223333:assumed-role/app/s", account="111122223333")
    stranger = Caller(principal=ME, account="111122223333")
    held = with_changes(lambda who: (one, other), [ChangedIdentity(principal=OTHER, before=one, after=two)])
    assert list(held(role)) == list(held(session)) == [other, two]
    assert list(held(stranger)) == [one, other]
