"""Keys in a partition: their objects, their labels, their end, and what they make of a payload."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    ConflictException,
    DisabledException,
    HsmUnavailable,
    InvalidCiphertextException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.providers.data import ListsDueWork
from reconciler.providers.hsm import Suite
from reconciler.providers.keys import KeyRequest, KeyState
from reconciler_pkcs11.keys import ciphertext
from reconciler_pkcs11.tests.memory_hsm import MemoryPartition, MemoryToken
from reconciler_pkcs11.tests.test_adopting import Killed, at_call
from reconciler_pkcs11.tests.worlds import CALLER, PINS, World, in_memory


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = in_memory(tmp_path)
    made.adopted()
    yield made
    made.close()


def objects(world: World) -> list[str]:
    """Labels of key objects, without the marker's."""
    return [label for label in world.token.labels() if not label.startswith("reconciler/marker/")]


def test_a_key_is_an_object_for_each_of_its_versions(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    hsm.rotate_key(CALLER, key.key_id, token="r")
    hsm.disable_key(CALLER, key.key_id)
    assert objects(world) == [f"reconciler/key/{key.key_id}/{number}/disabled" for number in (1, 2)]
    hsm.enable_key(CALLER, key.key_id)
    assert objects(world) == [f"reconciler/key/{key.key_id}/{number}/enabled" for number in (1, 2)]


def test_a_key_is_made_in_the_partition_that_is_named_or_the_only_one(world: World) -> None:
    hsm = world.open()
    assert hsm.create_key(CALLER, KeyRequest(), token="one").partition == "first"
    hsm.create_partition(CALLER, world.request("second", "b", PINS["b"]), token="p")
    with pytest.raises(ValidationException, match="several partitions") as refused:
        hsm.create_key(CALLER, KeyRequest(), token="two")
    assert "first, second" in str(refused.value.suggestion)
    assert hsm.create_key(CALLER, KeyRequest(partition="second"), token="two").partition == "second"
    with pytest.raises(ValidationException, match="no partition third"):
        hsm.create_key(CALLER, KeyRequest(partition="third"), token="three")
    with pytest.raises(ConflictException, match="1 keys that are not destroyed"):
        hsm.delete_partition(CALLER, "second")


@pytest.mark.parametrize("request_of", [KeyRequest(multi_region=True), KeyRequest(origin="EXTERNAL")])
def test_what_an_hsm_key_never_is_is_refused(world: World, request_of: KeyRequest) -> None:
    with pytest.raises(UnsupportedOperationException):
        world.open().create_key(CALLER, request_of, token="k")


CHANGES: dict[str, Callable[[Any, str], object]] = {
    "create": lambda hsm, key: hsm.create_key(CALLER, KeyRequest(), token="new"),
    "rotate": lambda hsm, key: hsm.rotate_key(CALLER, key, token="r"),
    "disable": lambda hsm, key: hsm.disable_key(CALLER, key),
    "schedule": lambda hsm, key: hsm.schedule_key_deletion(CALLER, key, waiting_days=7),
    "destroy": lambda hsm, key: hsm.expire(),
}
DONE = {"create": 3, "rotate": 3, "disable": 2, "schedule": 2, "destroy": 0}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", [Killed, None], ids=["killed", "lost"])
def test_a_change_that_is_cut_off_anywhere_is_finished_by_the_same_call(
    world: World, change: str, how: type[BaseException] | None
) -> None:
    """Two versions; then the change, cut off at its first call to the token, its second, and so on."""
    first = world.open()
    key = first.create_key(CALLER, KeyRequest(), token="k").key_id
    first.rotate_key(CALLER, key, token="before")
    sealed = first.encrypt(CALLER, key, b"x", {})
    if change == "destroy":
        first.schedule_key_deletion(CALLER, key, waiting_days=7)
        world.clock.advance(days=8)
    for number in range(1, 12):
        error: Callable[[], BaseException] = how or (lambda: HsmUnavailable("gone", fault="hsm-closed"))  # type: ignore[arg-type]  # any will do
        world.token.before = at_call(number, error)
        with suppress(Killed, HsmUnavailable):
            CHANGES[change](world.open(), key)
        world.token.before = lambda name: None
    hsm = world.open()
    CHANGES[change](hsm, key)
    assert len(objects(world)) == DONE[change]
    assert len(set(objects(world))) == DONE[change], "none doubled"
    state = hsm.describe_keys(CALLER, [key])
    if change == "destroy":
        assert state == {}
    elif change in ("create", "rotate"):
        assert hsm.decrypt(CALLER, sealed, {}).key_arn
        assert state[key].state is KeyState.ENABLED
    else:
        assert state[key].state is (KeyState.DISABLED if change == "disable" else KeyState.PENDING_DELETION)
    found = hsm.probe_partition(CALLER, "first")
    assert (found.fault, found.keys, found.orphans) == (None, (), ())


def test_what_nobody_goes_on_with_is_removed_by_a_later_apply(world: World) -> None:
    for change, call in (("create", 6), ("rotate", 7)):
        key = world.open().create_key(CALLER, KeyRequest(), token=f"for {change}").key_id
        before = objects(world)
        world.token.before = at_call(call, Killed)
        with pytest.raises(Killed):
            CHANGES[change](world.open(), key)
        world.token.before = lambda name: None
        assert len(objects(world)) == len(before) + 1, change
        assert world.open().expire() == []
        assert objects(world) == before
        assert CHANGES[change](world.open(), key)


def test_a_destroyed_key_leaves_the_token_and_says_so(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    sealed = hsm.encrypt(CALLER, key.arn, b"x", {})
    hsm.schedule_key_deletion(CALLER, key.arn, waiting_days=7)
    assert hsm.expire() == []
    world.clock.advance(days=7)
    assert hsm.describe_keys(CALLER, [key.arn]) == {}, "gone before anybody came to remove it"
    world.token.is_away = True
    assert hsm.expire() == []
    world.token.is_away = False
    world.clock.advance(minutes=1)
    assert hsm.expire() == [key.arn]
    assert objects(world) == []
    with pytest.raises(NotFoundException):
        hsm.encrypt(CALLER, key.arn, b"x", {})
    with pytest.raises(InvalidCiphertextException):
        hsm.decrypt(CALLER, sealed, {})
    assert [event["eventName"] for _, event in hsm.audit_events()][-3] == "DeleteKey"
    hsm.delete_partition(CALLER, "first")
    assert world.token.objects == []


def test_a_key_that_the_next_apply_destroys_is_listed_until_it_does(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    hsm.create_key(CALLER, KeyRequest(), token="stays")
    goes_at = hsm.schedule_key_deletion(CALLER, key.arn, waiting_days=7)
    now = world.clock.now()
    assert isinstance(hsm, ListsDueWork)
    assert hsm.due_work(CALLER, at=goes_at - timedelta(microseconds=1)) == []
    (ahead,) = hsm.due_work(CALLER, at=goes_at)
    assert (ahead.kind, ahead.name, ahead.since, ahead.removes_data) == ("key", key.arn, goes_at, True)
    world.clock.advance(seconds=(goes_at - now).total_seconds())
    world.token.is_away = True
    assert hsm.due_work(CALLER, at=world.clock.now()) == [ahead], "no token is asked"
    assert hsm.expire() == []
    assert hsm.due_work(CALLER, at=world.clock.now()) == [ahead], "and what could not be done is still due"
    world.token.is_away = False
    world.clock.advance(minutes=1)
    assert hsm.expire() == [key.arn]
    assert hsm.due_work(CALLER, at=world.clock.now()) == []


def test_a_key_that_was_taken_back_is_not_destroyed_by_an_older_copy_of_the_home(world: World) -> None:
    """C7: its label in the token says so."""
    key = world.open().create_key(CALLER, KeyRequest(), token="k")
    world.open().rotate_key(CALLER, key.arn, token="r")
    world.open().schedule_key_deletion(CALLER, key.arn, waiting_days=7)
    world.close()
    shutil.copytree(world.home, world.folder / "older")
    world.open().cancel_key_deletion(CALLER, key.arn)
    world.open().enable_key(CALLER, key.arn)
    sealed = world.open().encrypt(CALLER, key.arn, b"x", {})
    world.close()
    world.home.rename(world.folder / "newer")
    (world.folder / "older").rename(world.home)
    world.clock.advance(days=8)
    assert world.open().expire() == []
    assert len(objects(world)) == 2
    assert world.open().describe_keys(CALLER, [key.arn])[key.arn].state is KeyState.ENABLED, "and what it is, is seen"
    assert world.open().decrypt(CALLER, sealed, {}).plaintext.expose_key_bytes() == b"x"
    assert [event["eventName"] for _, event in world.open().audit_events()].count("CancelKeyDeletion") == 1


def test_a_key_rotates_by_itself_when_it_is_next_used_after_its_period(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    hsm.enable_key_rotation(CALLER, key.arn, period_days=90)
    old = hsm.encrypt(CALLER, key.arn, b"x", {})
    world.clock.advance(days=91)
    assert hsm.decrypt(CALLER, old, {}).material_id == key.material_id
    assert hsm.describe_keys(CALLER, [key.arn])[key.arn].material_id == key.material_id, "looking rotates nothing"
    new = hsm.encrypt(CALLER, key.arn, b"x", {})
    assert hsm.decrypt(CALLER, new, {}).material_id != key.material_id
    assert hsm.decrypt(CALLER, hsm.encrypt(CALLER, key.arn, b"y", {}), {}).material_id == (
        hsm.decrypt(CALLER, new, {}).material_id
    )
    assert hsm.decrypt(CALLER, old, {}).material_id == key.material_id


def test_each_use_is_one_token_operation_and_no_login(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k").arn
    world.token.asked.clear()
    world.token.logins.clear()
    wrapped = hsm.wrap_key(CALLER, key, DataKey(bytes(32)), {"a": "b"}).wrapped
    hsm.unwrap_key(CALLER, key, wrapped, {"a": "b"})
    hsm.decrypt(CALLER, hsm.encrypt(CALLER, key, bytes(4096), {}), {})
    assert world.token.asked == ["find_keys", "wrap", "find_keys", "unwrap"] * 2
    assert world.token.logins == []


def test_a_name_is_the_tag_name_of_one_key(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(tags={"Name": "seal"}), token="one")
    assert hsm.wrap_key(CALLER, "seal", DataKey(bytes(32)), {}).key_arn == key.arn
    hsm.create_key(CALLER, KeyRequest(tags={"Name": "seal"}), token="two")
    with pytest.raises(NotFoundException):
        hsm.wrap_key(CALLER, "seal", DataKey(bytes(32)), {})


def test_a_disabled_key_that_was_not_reached_has_no_use_here(world: World) -> None:
    """The intent is durable before the token is asked: the kill switch holds here at once."""
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k").arn
    sealed = hsm.encrypt(CALLER, key, b"x", {})
    world.token.is_away = True
    with pytest.raises(HsmUnavailable):
        hsm.disable_key(CALLER, key)
    world.token.is_away = False
    with pytest.raises(DisabledException):
        world.open().decrypt(CALLER, sealed, {})
    hsm = world.open()
    hsm.enable_key(CALLER, key)
    assert hsm.decrypt(CALLER, sealed, {}).key_arn == key


VECTOR = (
    "524b484b01" + "000102030405460788090a0b0c0d0e0f" + "f0" * 16 + "0004" + "77726170" + "7365616c6564"
)  # frozen: magic, format, key id, object id, length, wrapped, sealed


BOUND = (
    "53" + "00000019" + b"reconciler/hsm/ciphertext".hex() + "42" + "00000025" + VECTOR[:74] + "4d" + "00000014"
    "0000000161" + "0000000131" + "0000000162" + "0000000132"
)


def test_the_form_of_a_ciphertext_is_frozen() -> None:
    key_id, object_id = "00010203-0405-4607-8809-0a0b0c0d0e0f", "f0" * 16
    assert ciphertext.join(key_id, object_id, b"wrap", b"sealed").hex() == VECTOR
    parts = ciphertext.split(bytes.fromhex(VECTOR))
    assert parts == ciphertext.Ciphertext(key_id, object_id, b"wrap", b"sealed")
    bound = ciphertext.bound_to(key_id, object_id, {"b": "2", "a": "1"})
    assert bound.hex() == BOUND


@pytest.mark.parametrize("size", [0, 4, 5, 36, 37, 38, 39, 40])
def test_bytes_that_are_no_ciphertext_are_told_so(world: World, size: int) -> None:
    with pytest.raises(InvalidCiphertextException):
        world.open().decrypt(CALLER, bytes.fromhex(VECTOR)[:size], {})


def test_every_bit_of_a_ciphertext_counts(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k").arn
    sealed = hsm.encrypt(CALLER, key, b"text", {"a": "b"})
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ (1 << at % 8)]) + sealed[at + 1 :]
        with pytest.raises(InvalidCiphertextException):
            hsm.decrypt(CALLER, changed, {"a": "b"})


def test_a_partition_in_memory_is_as_strict_as_a_token(world: World) -> None:
    """The fake that all of this rests on: it refuses another context, and what it was not adopted with."""
    partition = MemoryPartition(MemoryToken("x", "y"))
    partition.generate("0" * 32, "label", Suite.GCM)
    made = partition.wrap("0" * 32, Suite.GCM, DataKey(b"k" * 32), b"aad")
    with pytest.raises(InvalidCiphertextException):
        partition.unwrap(made, b"other")
