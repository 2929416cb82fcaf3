"""Replicas, imported material and asymmetric keys through every command: apply, import, drift, verify (KM1, KM7)."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import CollectedErrors, KMSInternalException, PartlyApplied
from reconciler.model.address import Address
from reconciler.model.drift import SEVERITY
from reconciler.providers.key_material import ReplicaRequest
from reconciler.providers.keys import GrantRequest, KeyState
from reconciler.testing.fakes import SeededRandom
from reconciler_softkms.provider import SoftKms
from tests.commands.drifting import ACCOUNT, Hands, drift, hands
from tests.verify.estate import Estate
from tests.world import World, document, provider

MATERIAL = bytes((7 * number + 3) % 256 for number in range(32))
PROVIDERS = provider() + provider("kms-us", region="us-east-1")
ROOT = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
APP = f"arn:aws:iam::{ACCOUNT}:role/app"
IMPORTED = {"origin": "EXTERNAL", "material": "{from: {file: byok.key}, expires: 2026-06-01}"}
ORDERS = document("Key", "orders", multiRegion="true", rotation="{every: 90d}")
REPLICA = document("Key", "orders-us", provider="kms-us", replicaOf="orders", tags="{team: us}")
MANIFESTS = (
    ORDERS
    + REPLICA
    + document("Alias", "orders-us", provider="kms-us", key="orders-us", externalName="shop/orders")
    + document("KeyPolicy", "orders-us", provider="kms-us", key="orders-us", document=json.dumps({"Statement": [ROOT]}))
    + document("Grant", "app-us", provider="kms-us", key="orders-us", granteePrincipal=APP, operations="[Decrypt]")
    + document("Key", "byok", **IMPORTED)
    + document("Key", "signs", keySpec="ECC_NIST_P256", keyUsage="SIGN_VERIFY")
    + document("Key", "codes", keySpec="HMAC_512", keyUsage="GENERATE_VERIFY_MAC")
    + document("Grant", "signer", key="signs", granteePrincipal=APP, operations="[Sign, GetPublicKey]")
)


def hand_over(world: World) -> None:
    """Put the material where the manifest says that it is."""
    path = world.folder / "byok.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(MATERIAL)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world as it was applied, to be copied."""
    made = World(tmp_path_factory.mktemp("families") / "project")
    hand_over(made)
    made.declare(PROVIDERS + MANIFESTS)
    made.apply()
    assert not made.plan().changes
    return made.folder


@pytest.fixture
def world(settled: Path, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """A copy of it, in which nothing draws the same random bytes again."""
    folder = tmp_path / "project"
    shutil.copytree(settled, folder)
    return World(folder, random=SeededRandom(abs(hash(request.node.name)) % 2**31))


def service(somebody: Hands, name: str = "kms") -> SoftKms:
    found = somebody.session.provider(name)
    assert isinstance(found, SoftKms)
    return found


def test_a_lost_state_is_one_import_and_one_apply_away(world: World) -> None:
    """Whatever reads the manifests again adopts every key, replica and grant as it is."""
    for path in (world.folder / ".reconciler").glob("state.db*"):
        path.unlink()
    world.declare(PROVIDERS)
    code, written, err = world.run("import", "--generate")
    assert code == 0, err
    assert written.count("replicaOf: ") == 1
    assert "origin: EXTERNAL" in written
    assert "keyUsage: SIGN_VERIFY" in written
    world.declare(PROVIDERS + written)
    plan = world.plan()
    assert {str(operation.verb) for change in plan.changes for operation in change.operations} == {"import"}
    world.apply()
    assert not world.plan().changes


def test_every_sort_is_proved(world: World) -> None:
    assert not Estate(world).failures()


def test_the_material_is_nowhere_but_where_it_was_put(world: World) -> None:
    (world.folder / "printed").write_text(repr(world.plan()))
    spelt = (MATERIAL, MATERIAL.hex().encode(), base64.b64encode(MATERIAL), repr(MATERIAL)[2:-1].encode())
    for path in world.folder.rglob("*"):
        if path.is_file() and path.name != "byok.key":
            content = path.read_bytes()
            assert not any(text in content for text in spelt), path


Move = Callable[[Hands], None]


def replicated(somebody: Hands) -> None:
    there = ReplicaRequest(region="us-west-2")
    service(somebody).replicate_key(somebody.who, somebody.of("Key/orders"), there)


def granted(somebody: Hands) -> None:
    request = GrantRequest(key_id=somebody.of("Key/orders-us"), grantee_principal=APP, operations=("Encrypt",))
    service(somebody, "kms-us").create_grant(somebody.who, request)


MOVES: dict[str, tuple[Move, tuple[tuple[str, str], ...]]] = {
    "nobody did anything": (lambda somebody: None, ()),
    "imported material expires soon": (
        lambda somebody: somebody.world.clock.advance(days=120),
        (("Key/byok", "material-expiring"), ("Key/orders", "rotation-overdue")),
    ),
    "imported material was deleted": (
        lambda somebody: service(somebody).delete_imported_key_material(somebody.who, somebody.of("Key/byok")),
        (("Key/byok", "key-disabled"),),
    ),
    "a replica was disabled": (
        lambda somebody: service(somebody, "kms-us").disable_key(somebody.who, somebody.of("Key/orders-us")),
        (("Key/orders-us", "key-disabled"),),
    ),
    "a replica was scheduled for deletion": (
        lambda somebody: _scheduled(somebody, "kms-us", "Key/orders-us"),
        (("Key/orders-us", "key-pending-deletion"),),
    ),
    "a primary was scheduled for deletion, and waits for its replica": (
        lambda somebody: _scheduled(somebody, "kms", "Key/orders"),
        (("Key/orders", "key-pending-deletion"),),
    ),
    "another Region became the primary": (
        lambda somebody: service(somebody).update_primary_region(
            somebody.who, somebody.of("Key/orders"), region="us-east-1"
        ),
        (("Key/orders", "attribute-changed"), ("Key/orders-us", "attribute-changed")),
    ),
    "a grant on a replica that nobody declared": (granted, (("Grant/app-us", "grant-widened"),)),
}


def _scheduled(somebody: Hands, provider: str, address: str) -> None:
    service(somebody, provider).schedule_key_deletion(somebody.who, somebody.of(address), waiting_days=7)


@pytest.mark.parametrize("what", MOVES)
def test_what_moved_is_told_and_put_right(what: str, world: World) -> None:
    move, found = MOVES[what]
    with hands(world) as somebody:
        move(somebody)
    printed = drift(world, "--format", "json")
    assert sorted(printed.found) == sorted(found), printed.out + printed.err
    if all(SEVERITY[drift_class] == "security" for _, drift_class in found) and "grant" not in what:
        world.apply()
        assert not world.plan().changes
        assert not drift(world, "--format", "json").found


def test_whoever_became_the_primary_by_hand_hands_over_again(world: World) -> None:
    with hands(world) as somebody:
        kms, key = service(somebody), somebody.of("Key/orders")
        kms.update_primary_region(somebody.who, key, region="us-east-1")
    (change,) = [change for change in world.plan().changes if change.operations]
    assert (str(change.address), change.operations[0].steps[0].id) == ("Key/orders-us", "hand-over")
    world.apply()
    with hands(world) as somebody:
        assert service(somebody).describe_keys(somebody.who, [key])[key].primary_arn == key
    assert not world.plan().changes


def test_a_key_scheduled_by_hand_is_called_back_with_its_replica_and_never_made_anew(world: World) -> None:
    with hands(world) as somebody:
        before = {address: somebody.of(address) for address in ("Key/orders", "Key/orders-us", "Key/byok")}
        for address, provider_ in (("Key/orders-us", "kms-us"), ("Key/orders", "kms"), ("Key/byok", "kms")):
            _scheduled(somebody, provider_, address)
    verbs = {str(operation.verb) for change in world.plan().changes for operation in change.operations}
    assert verbs == {"cancel-deletion", "enable"}
    world.apply()
    with hands(world) as somebody:
        assert {address: somebody.of(address) for address in before} == before
    assert not world.plan().changes
    assert not Estate(world).failures()


def test_a_replica_that_somebody_else_made_is_imported_and_not_taken(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + ORDERS)
    world.apply()
    with hands(world) as somebody:
        arn = somebody.of("Key/orders")
        made = service(somebody).replicate_key(somebody.who, arn, ReplicaRequest(region="us-east-1"))
    assert drift(world, "--format", "json").found == [(f"Key/{made.key_id}", "resource-unmanaged")]
    world.declare(PROVIDERS + ORDERS + REPLICA)
    code, _, err = world.run("plan")
    assert (code, "has a replica in us-east-1 already" in err, f"importId: {made.arn}" in err) == (1, True, True), err
    world.declare(PROVIDERS + ORDERS + REPLICA + f"  importId: {made.arn}\n")
    world.apply()
    assert not world.plan().changes
    with hands(world) as somebody:
        assert service(somebody, "kms-us").describe_keys(somebody.who, [made.arn])[made.arn].tags == {"team": "us"}


INTERRUPTED = {"a replica": "replicate_key", "an import": "import_key_material"}


@pytest.mark.parametrize("what", INTERRUPTED)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_was_interrupted_is_taken_up(
    what: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "project")
    hand_over(world)
    world.declare(PROVIDERS + MANIFESTS)
    whole: Callable[..., Any] = getattr(SoftKms, INTERRUPTED[what])

    def dying(*arguments: Any, **named: Any) -> Any:
        if moment == "after":
            whole(*arguments, **named)
        raise KMSInternalException("nobody knows whether it came about")

    with monkeypatch.context() as patch:
        patch.setattr(SoftKms, INTERRUPTED[what], dying)
        with pytest.raises(PartlyApplied):
            world.apply()
    world.apply()
    assert not world.plan().changes
    assert not drift(world, "--format", "json").found
    with hands(world) as somebody:
        assert len(service(somebody, "kms-us").list_keys(somebody.who)) == 1
        assert {str(key.state) for key in service(somebody).list_keys(somebody.who)} == {str(KeyState.ENABLED)}


def test_another_material_is_refused_and_the_key_keeps_its_own(world: World) -> None:
    with hands(world) as somebody:
        service(somebody).delete_imported_key_material(somebody.who, somebody.of("Key/byok"))
    (world.folder / "byok.key").write_bytes(bytes(32))
    with pytest.raises(CollectedErrors, match="1 failed, 0 not finished"):
        world.apply()
    (world.folder / "byok.key").write_bytes(MATERIAL)
    world.apply()
    assert not world.plan().changes


def test_material_that_others_could_read_is_not_imported(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    hand_over(world)
    (world.folder / "byok.key").chmod(0o644)
    world.declare(PROVIDERS + document("Key", "byok", **IMPORTED))
    with pytest.raises(PartlyApplied):
        world.apply()
    (world.folder / "byok.key").chmod(0o600)
    world.apply()
    assert not world.plan().changes


def test_a_later_end_is_the_same_material_once_more(world: World) -> None:
    with hands(world) as somebody:
        key = somebody.of("Key/byok")
        before = service(somebody).describe_keys(somebody.who, [key])[key]
        wrapped = service(somebody).encrypt(somebody.who, key, b"text", {})
    world.declare(PROVIDERS + MANIFESTS.replace("2026-06-01", "2026-07-01"))
    world.apply()
    with hands(world) as somebody:
        after = service(somebody).describe_keys(somebody.who, [key])[key]
        assert bytes(service(somebody).decrypt(somebody.who, wrapped, {}).plaintext.expose_key_bytes()) == b"text"
    assert (before.material_id, before.arn) == (after.material_id, after.arn)
    assert before.material_expires_at is not None
    assert after.material_expires_at == before.material_expires_at + timedelta(days=30)


MISPLACED = {
    "a replica in the Region of its primary": (
        ORDERS + document("Key", "twin", replicaOf="orders"),
        "must be in another Region of the same account",
    ),
    "an alias of a key of another Region": (
        ORDERS + document("Alias", "far", provider="kms-us", key="orders"),
        "must be of the same account and Region",
    ),
    "a policy of a key of another Region": (
        ORDERS
        + document("KeyPolicy", "far", provider="kms-us", key="orders", document=json.dumps({"Statement": [ROOT]})),
        "must be of the same account and Region",
    ),
}


@pytest.mark.parametrize("case", MISPLACED)
def test_keys_are_regional_and_a_manifest_that_forgets_it_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    manifests, why = MISPLACED[case]
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + manifests)
    for command in ("validate", "plan"):
        code, _, err = world.run(command)
        assert (code, why in err, "manifests/world.yaml:" in err) == (1, True, True), err


def test_a_replica_of_a_key_of_one_region_is_blocked(tmp_path: Path) -> None:
    world = World(tmp_path / "project")
    world.declare(PROVIDERS + document("Key", "orders") + REPLICA)
    (blocked,) = [change for change in world.plan().changes if change.blocked]
    assert (blocked.address, blocked.blocked[0].guard) == (Address("Key/orders-us"), "replica")
