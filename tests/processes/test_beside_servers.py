"""Killed in the middle of a change of keys, beside live servers of the same home: nothing that was said is lost or
done twice, what was sealed opens, and the living see each change at once (T7, I2, I3)."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator

import pytest

from tests import counts
from tests.amounts import amount
from tests.clients.keys import wrap
from tests.processes.served_beside import PLATFORM, Estate, estate
from tests.serving.processes import Served
from tests.world import document, provider

KILLS = amount(ci=2, campaign=20)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """One for all tests: at its end everything is looked through."""
    with estate(tmp_path_factory.mktemp("beside"), "servers") as made:
        yield made


def test_keys_are_neither_lost_nor_doubled(world: Estate) -> None:
    for _ in range(KILLS):
        before, said, asked = world.key_ids(), list[str](), list[int]()

        def create(served: Served, said: list[str] = said, asked: list[int] = asked) -> None:
            asked.append(1)
            said.append(world.home.call(served, "CreateKey")["KeyMetadata"]["KeyId"])

        world.kill_while(create)
        made = world.key_ids() - before
        assert before <= world.key_ids()
        assert set(said) <= made
        assert len(said) <= len(made) <= len(asked)
        for key_id in said[:2]:
            world.seal(key_id)
        counts.count("T7", kills=1)


def test_a_rotation_that_was_said_is_there_once_and_everybody_seals_under_it(world: Estate) -> None:
    for _ in range(KILLS):
        key_id, said, asked = world.new_key(), list[str](), list[int]()
        world.seal(key_id)

        def rotate(served: Served, key_id: str = key_id, said: list[str] = said, asked: list[int] = asked) -> None:
            if len(asked) < 20:  # 25 at most for each key
                asked.append(1)
                said.append(world.home.call(served, "RotateKeyOnDemand", KeyId=key_id)["KeyId"])
            else:
                world.home.call(served, "ListKeys")

        world.kill_while(rotate)
        rotations = world.call("ListKeyRotations", KeyId=key_id, Limit=100)["Rotations"]
        assert len(said) <= len(rotations) <= len(asked)
        fresh = [world.seal(key_id) for _ in range(4)]
        assert len({world.opened(served, one) for served in world.live for one in fresh}) == 1
        counts.count("T7", kills=1)


def test_a_reseal_that_dies_leaves_everything_open_and_the_same_command_ends_it(world: Estate) -> None:
    for key_id in [world.new_key() for _ in range(4)]:
        world.seal(key_id)
    for _ in range(KILLS):
        world.home.reconciler("keystore", "reseal", "kms", "--renew", killed_after=world.chance.uniform(0.25, 0.6))
        world.seal(world.new_key())
        counts.count("T7", kills=1)
    world.home.reconciler("keystore", "reseal", "kms", "--renew")
    world.seal(world.new_key())


def test_a_deletion_that_was_said_is_seen_at_once_and_carried_out_when_due(world: Estate) -> None:
    kept = world.new_key()
    for _ in range(KILLS - 1):
        key_ids = [world.new_key() for _ in range(6)]
        sealed = {key_id: world.seal(key_id, for_ever=False) for key_id in key_ids}
        todo, said = list(key_ids), list[str]()

        def schedule(served: Served, todo: list[str] = todo, said: list[str] = said) -> None:
            if not todo:
                world.home.call(served, "ListKeys")
                return
            key_id = todo.pop()
            world.home.call(served, "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
            said.append(key_id)

        world.kill_while(schedule)
        assert said
        for key_id in said:
            assert world.everywhere("Decrypt", CiphertextBlob=sealed[key_id].ciphertext) == {"KMSInvalidStateException"}
        world.home.pass_days(7)
        world.kill_while(lambda served: world.home.call(served, "UpdateKeyDescription", KeyId=kept, Description="x"))
        assert set(said).isdisjoint(world.key_ids())
        for key_id in key_ids:
            is_there = key_id in world.key_ids()
            told = world.everywhere("DescribeKey", KeyId=key_id)
            assert (told == {"NotFoundException"}) is not is_there
            if is_there:  # nobody was told that it would go
                assert world.opened(world.live[0], sealed[key_id])
            else:
                refused = world.everywhere("Decrypt", CiphertextBlob=sealed[key_id].ciphertext)
                assert len(refused) == 1
                assert "Plaintext" not in refused.pop()
        counts.count("T7", kills=2)


def test_imported_material_is_there_or_not_and_the_same_for_everybody(world: Estate) -> None:
    for _ in range(KILLS):
        key_id, material = world.new_key(Origin="EXTERNAL"), world.chance.randbytes(32)
        _import(world, world.live[0], key_id, material)
        sealed, last = world.seal(key_id, for_ever=False), ["Enabled"]
        opens = {"CiphertextBlob": sealed.ciphertext}

        def turn(  # bound by their defaults, since they are another round's otherwise
            served: Served,
            key_id: str = key_id,
            material: bytes = material,
            opens: dict[str, str] = opens,
            last: list[str] = last,
        ) -> None:
            last.append("?")
            world.home.call(served, "DeleteImportedKeyMaterial", KeyId=key_id)
            last.append("PendingImport")
            if world.everywhere("Decrypt", **opens) != {"KMSInvalidStateException"}:
                world.wrong.append("deleted material opens something")
            last.append("?")
            _import(world, served, key_id, material)
            last.append("Enabled")
            if any("Plaintext" not in told for told in world.everywhere("Decrypt", **opens)):
                world.wrong.append("imported material opens nothing")

        world.kill_while(turn, clients=1)
        states = {json.loads(told)["KeyMetadata"]["KeyState"] for told in world.everywhere("DescribeKey", KeyId=key_id)}
        assert len(states) == 1
        assert last[-1] in {"?", *states}
        if states == {"PendingImport"}:
            _import(world, world.live[1], key_id, material)
        world.opens.append(sealed)
        counts.count("T7", kills=1)


def _import(world: Estate, served: Served, key_id: str, material: bytes) -> None:
    asked = world.home.call(
        served,
        "GetParametersForImport",
        KeyId=key_id,
        WrappingAlgorithm="RSAES_OAEP_SHA_256",
        WrappingKeySpec="RSA_2048",
    )
    world.home.call(
        served,
        "ImportKeyMaterial",
        KeyId=key_id,
        ImportToken=asked["ImportToken"],
        EncryptedKeyMaterial=base64.b64encode(wrap(base64.b64decode(asked["PublicKey"]), material)).decode(),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )


def test_an_automatic_rotation_that_two_processes_see_at_once_is_made_once(world: Estate) -> None:
    for _ in range(4):
        key_id = world.new_key()
        world.call("EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90)
        world.seal(key_id)
        world.home.pass_days(90)
        together, under = threading.Barrier(6), list[str]()

        def use(
            served: Served, key_id: str = key_id, under: list[str] = under, together: threading.Barrier = together
        ) -> None:
            together.wait()
            sealed = world.seal(key_id)
            under.append(world.opened(served, sealed))

        threads = [threading.Thread(target=use, args=(world.live[n % 2],)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(under) == 6
        assert len(set(under)) == 1
        assert len(world.call("ListKeyRotations", KeyId=key_id)["Rotations"]) == 1


@pytest.mark.parametrize("what", ["enabled", "policy"])
def test_what_apply_changes_servers_know_with_their_next_request(what: str, world: Estate) -> None:
    home, arn = world.home, ""
    for may in (True, False):
        key = document("Key", "one", description=what, **({} if what == "policy" or may else {"enabled": "false"}))
        home.declare(provider() + key + (_policy(may_encrypt=may) if what == "policy" else ""))
        home.reconciler("apply", "--auto-approve")
        if not arn:
            shown = json.loads(home.reconciler("state", "show", "Key/one", "--format", "json"))
            arn = shown["resources"][0]["attributes"]["arn"]
        told = world.everywhere("Encrypt", KeyId=arn, Plaintext="eHg=")
        if may:
            assert all("CiphertextBlob" in one for one in told)
        else:
            assert told == {"DisabledException" if what == "enabled" else "AccessDeniedException"}


def _policy(*, may_encrypt: bool) -> str:
    action = '["kms:*"]' if may_encrypt else '["kms:*Key*", "kms:List*", "kms:Get*", "kms:Put*", "kms:TagResource"]'
    statement = f'{{Effect: Allow, Principal: {{AWS: "{PLATFORM}"}}, Action: {action}, Resource: "*"}}'
    return document("KeyPolicy", "one", key="one", document=f'{{Version: "2012-10-17", Statement: [{statement}]}}')
