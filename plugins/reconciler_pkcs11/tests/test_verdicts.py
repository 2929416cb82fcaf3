"""What is wrong with a partition or a key has its name, and nothing is concluded from an empty answer (PKCS11.md 3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import DisabledException, HsmError, HsmFault, HsmUnavailable, InvalidCiphertextException
from reconciler.providers.keys import KeyRequest, KeyState
from reconciler_pkcs11.tests.memory_hsm import MemoryToken, Object, unavailable
from reconciler_pkcs11.tests.worlds import CALLER, PINS, World, in_memory

KEY, OTHER = "0" * 32, "1" * 32
DEK = DataKey(bytes(range(32)))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = in_memory(tmp_path)
    hsm = made.adopted()
    hsm.create_cluster_key(CALLER, "first", KEY)
    yield made
    made.close()


def of(token: MemoryToken, key_id: str = KEY) -> Object:
    (found,) = token.of(key_id)
    return found


def _other_key(token: MemoryToken) -> None:
    of(token).key = os.urandom(32)


def _another_label(token: MemoryToken) -> None:
    of(token).label = f"reconciler/cluster/{OTHER}"


def _weakened(token: MemoryToken) -> None:
    of(token).weakened = ("EXTRACTABLE",)


def _missing(token: MemoryToken) -> None:
    token.objects[:] = [each for each in token.objects if each[0] != KEY]


def _doubled(token: MemoryToken) -> None:
    token.objects.append((KEY, Object(of(token).label, os.urandom(32))))


VERDICTS: dict[HsmFault, tuple[Callable[[MemoryToken], None], ...]] = {
    HsmFault.KEY_MISSING: (_missing,),
    HsmFault.KEY_DUPLICATE: (_doubled,),
    HsmFault.KEY_SUBSTITUTED: (_other_key, _another_label),
    HsmFault.KEY_WEAKENED: (_weakened,),
}


@pytest.mark.parametrize("fault", VERDICTS)
def test_what_is_wrong_with_a_key_is_named(world: World, fault: HsmFault) -> None:
    for spoil in VERDICTS[fault]:
        spoil(world.token)
        found = world.open().probe_partition(CALLER, "first")
        assert found.fault is None
        assert [(each.key_id, each.fault) for each in found.keys] == [(KEY, fault)]
        assert found.keys[0].detail


@pytest.mark.parametrize("fault", [HsmFault.KEY_MISSING, HsmFault.KEY_DUPLICATE, HsmFault.KEY_SUBSTITUTED])
def test_a_use_of_such_a_key_says_the_same_and_never_that_the_data_are_damaged(world: World, fault: HsmFault) -> None:
    hsm = world.open()
    wrapped = hsm.wrap_data_key(CALLER, "first", KEY, DEK, {"a": "b"})
    VERDICTS[fault][0](world.token)
    with pytest.raises(HsmError) as told:
        hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {"a": "b"})
    assert told.value.fault is fault
    assert told.value.suggestion
    if fault is not HsmFault.KEY_SUBSTITUTED:
        with pytest.raises(HsmError):
            hsm.create_cluster_key(CALLER, "first", KEY)
    assert len(world.token.of(KEY)) == {HsmFault.KEY_MISSING: 0, HsmFault.KEY_DUPLICATE: 2}.get(fault, 1), "none made"


def test_another_context_is_told_from_a_sick_token_by_the_canary(world: World) -> None:
    hsm = world.open()
    wrapped = hsm.wrap_data_key(CALLER, "first", KEY, DEK, {"a": "b"})
    with pytest.raises(InvalidCiphertextException):
        hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {"a": "c"})
    good, sick = of(world.token).key, os.urandom(32)
    of(world.token).key = sick

    def recover(name: str) -> None:
        if name == "open":
            of(world.token).key = good

    world.token.before = recover
    with pytest.raises(HsmUnavailable, match="not even what it always opens") as told:
        hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {"a": "b"})
    assert told.value.fault is HsmFault.ABSENT_OR_AMBIGUOUS
    assert hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {"a": "b"}) == DEK


def test_a_token_made_anew_is_not_judged_and_nothing_is_made_in_it(world: World) -> None:
    hsm = world.open()
    wrapped = hsm.wrap_data_key(CALLER, "first", KEY, DEK, {})
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    world.token.reinitialise()
    found = world.open().probe_partition(CALLER, "first", key_ids=[OTHER])
    assert (found.fault, found.keys, found.orphans) == (HsmFault.REINITIALISED, (), ())
    calls: list[Callable[[], object]] = [
        lambda: hsm.create_cluster_key(CALLER, "first", OTHER),
        lambda: hsm.create_cluster_key(CALLER, "first", KEY),
        lambda: hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {}),
        lambda: hsm.verify_partition(CALLER, "first"),
        lambda: hsm.create_key(CALLER, KeyRequest(), token="another"),
        lambda: hsm.encrypt(CALLER, key.arn, b"x", {}),
        lambda: hsm.disable_key(CALLER, key.arn),
    ]
    for call in calls:
        with pytest.raises(HsmError) as told:
            call()
        assert told.value.fault is HsmFault.REINITIALISED
    assert world.token.objects == []


@pytest.mark.parametrize("how", ["another key in the marker's place", "another label", "two markers"])
def test_a_marker_that_is_not_ours_is_no_marker(world: World, how: str) -> None:
    (row,) = world.open().describe_partitions(CALLER)
    marker = of(world.token, row.uid)
    match how:
        case "another key in the marker's place":
            marker.key = os.urandom(32)
        case "another label":
            marker.label = "reconciler/marker/other"
        case "two markers":
            world.token.objects.append((row.uid, Object(marker.label, os.urandom(32))))
    assert world.open().probe_partition(CALLER, "first").fault is HsmFault.REINITIALISED


def test_a_token_that_cannot_be_asked_is_a_fault_and_no_verdict(world: World) -> None:
    hsm = world.open()
    world.token.is_away = True
    assert hsm.probe_partition(CALLER, "first").fault is HsmFault.UNREACHABLE
    world.token.is_away = False
    assert world.hsm is not None
    moved = world.hsm.tokens.pop("a")
    found = hsm.probe_partition(CALLER, "first")
    assert (found.fault, found.keys) == (HsmFault.ABSENT_OR_AMBIGUOUS, ())
    world.hsm.tokens["a"] = moved
    assert hsm.probe_partition(CALLER, "first").fault is None


def test_an_empty_find_in_an_old_session_proves_nothing(world: World) -> None:
    """A logged-out session finds nothing and says no error: a new one finds the key."""
    hsm = world.open()
    wrapped = hsm.wrap_data_key(CALLER, "first", KEY, DEK, {})
    kept = list(world.token.objects)
    world.token.objects.clear()
    world.token.before = lambda name: world.token.objects.extend(kept) if name == "open" else None
    with pytest.raises(HsmUnavailable) as told:
        hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {})
    assert told.value.fault is HsmFault.ABSENT_OR_AMBIGUOUS
    world.token.before = lambda name: None
    assert hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {}) == DEK


def test_keys_that_nothing_is_recorded_of_are_orphans_and_strangers_are_not(world: World) -> None:
    world.token.objects += [
        ("a" * 32, Object(f"reconciler/cluster/{'a' * 32}", b"")),
        ("b" * 32, Object("reconciler/key/00000000-0000-4000-8000-000000000000/2/disabled", b"")),
        ("c" * 32, Object("reconciler/marker/" + "c" * 32, b"")),
        ("d" * 32, Object("someone's key", b"")),
    ]
    assert world.open().probe_partition(CALLER, "first").orphans == ("a" * 32, "b" * 32)


def test_an_unknown_outcome_is_settled_by_looking_for_the_id(world: World) -> None:
    hsm = world.open()
    for number, when in enumerate(("generate", "generated")):
        left = [1]

        def before(name: str, when: str = when, left: list[int] = left) -> None:
            if name == when and left[0]:
                left[0] = 0
                raise unavailable(HsmFault.MODULE_CRASHED)

        world.token.before = before
        hsm.create_cluster_key(CALLER, "first", f"{number:032x}".replace("0", "e"))
        assert left == [0]
    assert len(world.token.objects) == 4


def test_another_hosts_change_of_a_label_counts_here(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    sealed = hsm.encrypt(CALLER, key.arn, b"x", {})
    mine = of(world.token, key.material_id)
    mine.label = mine.label.replace("enabled", "disabled")
    assert hsm.describe_keys(CALLER, [key.arn])[key.arn].state is KeyState.DISABLED
    with pytest.raises(DisabledException):
        hsm.decrypt(CALLER, sealed, {})
    hsm.enable_key(CALLER, key.arn)
    assert hsm.decrypt(CALLER, sealed, {}).key_arn == key.arn


def test_the_link_is_recorded_when_it_is_lost_and_when_it_is_back(world: World) -> None:
    """HS7; each once, whatever number of processes sees it."""
    hsm = world.open()
    hsm.wrap_data_key(CALLER, "first", KEY, DEK, {})
    world.token.is_away = True
    for provider in (hsm, hsm, world.open(), world.open()):
        with pytest.raises(HsmUnavailable):
            provider.wrap_data_key(CALLER, "first", KEY, DEK, {})
    world.token.is_away = False
    for _ in range(2):
        world.open().wrap_data_key(CALLER, "first", KEY, DEK, {})
    names = [event["eventName"] for _, event in world.open().audit_events()]
    assert names[-2:] == ["HsmUnreachable", "HsmReachable"]
    assert names.count("HsmUnreachable") == 1
    assert world.open().check_audit_log().broken is None


def test_a_dead_hsm_is_not_asked_again_and_again(world: World) -> None:
    hsm = world.open()
    hsm.wrap_data_key(CALLER, "first", KEY, DEK, {})
    world.token.is_away = True
    for _ in range(5):
        with pytest.raises(HsmUnavailable) as told:
            hsm.wrap_data_key(CALLER, "first", KEY, DEK, {})
    assert "not asked again for half a minute" in told.value.summary
    world.token.is_away = False
    with pytest.raises(HsmUnavailable):
        hsm.wrap_data_key(CALLER, "first", KEY, DEK, {})
    world.clock.advance(seconds=31)
    assert hsm.wrap_data_key(CALLER, "first", KEY, DEK, {})


def test_a_worker_is_kept_and_no_operation_costs_a_login(world: World) -> None:
    hsm = world.open()
    world.token.logins.clear()
    world.token.asked.clear()
    for _ in range(3):
        hsm.unwrap_data_key(CALLER, "first", KEY, hsm.wrap_data_key(CALLER, "first", KEY, DEK, {}), {})
    assert world.token.logins == [PINS["a"]]
    assert world.token.asked == ["wrap", "unwrap"] * 3


@pytest.mark.parametrize("how", ["another worker was first", "both made it"])
def test_a_worker_that_outlives_its_process_makes_nothing_twice(world: World, how: str) -> None:
    """It finishes what it was asked, after the next process has looked for the id."""
    hsm = world.open()
    late = [1]

    def before(name: str) -> None:
        when = "generate" if how == "another worker was first" else "generated"
        if name == when and late[0]:
            late[0] = 0
            world.token.objects.append((OTHER, Object(f"reconciler/cluster/{OTHER}", os.urandom(32))))

    world.token.before = before
    hsm.create_cluster_key(CALLER, "first", OTHER)
    assert len(world.token.of(OTHER)) == 1
    assert hsm.unwrap_data_key(CALLER, "first", OTHER, hsm.wrap_data_key(CALLER, "first", OTHER, DEK, {}), {}) == DEK


def test_an_id_that_something_else_has_is_left_alone(world: World) -> None:
    world.token.objects.append((OTHER, Object("somebody's", b"k" * 32)))
    with pytest.raises(HsmError) as told:
        world.open().create_cluster_key(CALLER, "first", OTHER)
    assert told.value.fault is HsmFault.KEY_DUPLICATE
    assert of(world.token, OTHER).label == "somebody's"


def test_a_key_that_its_partition_lost_is_unavailable(world: World) -> None:
    hsm = world.open()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    world.token.objects[:] = [each for each in world.token.objects if each[0] != key.material_id]
    assert hsm.describe_keys(CALLER, [key.arn])[key.arn].state is KeyState.UNAVAILABLE
