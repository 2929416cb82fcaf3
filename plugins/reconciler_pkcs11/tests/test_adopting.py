"""Taking a partition into use: what is unfit is refused and nothing of ours is left; a crash anywhere converges."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    AlreadyExistsException,
    HsmError,
    HsmFault,
    HsmUnavailable,
    IncompatibleHsm,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.partition import Leak
from reconciler_pkcs11.tests.memory_hsm import unavailable
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.tests.worlds import CALLER, PINS, World, in_memory, on_tokens

CEK = "0123456789abcdef" * 2


class Killed(BaseException):
    """As if the process ended here."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = in_memory(tmp_path)
    yield made
    made.close()


def at_call(number: int, error: Callable[[], BaseException]) -> Callable[[str], None]:
    """What raises that at the call of that number, counted from one."""
    left = [number]

    def before(name: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise error()

    return before


def test_every_unfitness_is_named_and_nothing_is_left_behind(world: World) -> None:
    hsm = world.open()
    world.token.suites = ()
    with pytest.raises(IncompatibleHsm) as refused:
        hsm.create_partition(CALLER, world.first(), token="t")
    assert refused.value.fault is HsmFault.NO_MECHANISM
    world.token.suites = (Suite.GCM,)
    world.token.leaks = (Leak.WRAPPED, Leak.COPIED)
    with pytest.raises(IncompatibleHsm, match="it wraps it under another key, it copies it with") as refused:
        hsm.create_partition(CALLER, world.first(), token="t")
    assert refused.value.fault is HsmFault.NOT_ENFORCED
    assert "allowUnenforced" in str(refused.value.suggestion)
    assert world.token.objects == []
    assert hsm.describe_partitions(CALLER) == []
    made = hsm.create_partition(CALLER, world.first(allow_unenforced=True), token="t")
    assert (made.enforced, made.allow_unenforced, made.suites) == (False, True, (Suite.GCM,))
    with pytest.raises(IncompatibleHsm, match="never leave"):
        hsm.modify_partition(CALLER, world.first())
    assert hsm.describe_partitions(CALLER) == [made]


def test_the_best_suite_is_chosen_once_and_never_a_weaker_one_later(world: World) -> None:
    hsm = world.adopted()
    key = hsm.create_cluster_key(CALLER, "first", "0" * 32)
    assert key.suite is Suite.GCM
    world.token.suites = (Suite.CBC_HMAC,)
    with pytest.raises(IncompatibleHsm, match="adopted with gcm, and does not pass") as refused:
        hsm.verify_partition(CALLER, "first")
    assert refused.value.fault is HsmFault.NO_MECHANISM
    with pytest.raises(AssertionError):  # the token in memory is asked for GCM, not for what it still has
        hsm.create_cluster_key(CALLER, "first", "1" * 32)


@pytest.mark.parametrize("call", range(1, 12))
def test_a_process_that_is_killed_at_any_call_leaves_what_the_next_goes_on_from(world: World, call: int) -> None:
    world.token.before = at_call(call, Killed)
    with suppress(Killed):
        world.open().create_partition(CALLER, world.first(), token="t")
    world.token.before = lambda name: None
    next_one = world.open()
    made = next_one.create_partition(CALLER, world.first(), token="t")
    assert world.token.labels() == [f"reconciler/marker/{made.uid}"], "none lost, none doubled"
    assert next_one.probe_partition(CALLER, "first").fault is None


@pytest.mark.parametrize("call", range(1, 9))
def test_a_token_that_goes_away_at_any_call_leaves_nothing_or_all(world: World, call: int) -> None:
    """The outcome of a call that was lost is settled by looking for the id."""
    world.token.before = at_call(call, lambda: unavailable(HsmFault.MODULE_CRASHED))
    hsm = world.open()
    try:
        made = hsm.create_partition(CALLER, world.first(), token="t")
    except HsmUnavailable:
        assert hsm.describe_partitions(CALLER) == []
        assert world.token.objects == []
        made = hsm.create_partition(CALLER, world.first(), token="t")
    assert world.token.labels() == [f"reconciler/marker/{made.uid}"]


def test_what_was_given_up_is_removed_by_whoever_takes_the_name(world: World) -> None:
    world.token.before = at_call(5, Killed)  # the marker is there, and not proved
    with pytest.raises(Killed):
        world.open().create_partition(CALLER, world.first(), token="t")
    world.token.before = lambda name: None
    assert len(world.token.objects) == 1
    hsm = world.open()
    assert hsm.describe_partitions(CALLER) == []
    assert hsm.find_partition(CALLER, token="t") is None
    elsewhere = replace(world.request("second", "b", PINS["b"]), name="first")
    hsm.create_partition(CALLER, elsewhere, token="u")
    assert world.token.objects == []


def test_what_was_given_up_is_removed_by_a_later_apply(world: World) -> None:
    world.token.before = at_call(5, Killed)
    with pytest.raises(Killed):
        world.open().create_partition(CALLER, world.first(), token="t")
    world.token.before = lambda name: None
    assert world.open().expire() == []
    assert world.token.objects == []


BAD: dict[str, dict[str, object]] = {
    "no token": {"token_label": None},
    "a label and a slot": {"slot": 3},
    "an address alone": {"address": "hsm:8711"},
    "a certificate alone": {"client_certificate": "edge"},
}


@pytest.mark.parametrize("why", BAD)
def test_a_way_that_cannot_be_meant_is_refused(world: World, why: str) -> None:
    with pytest.raises(ValidationException):
        world.open().create_partition(CALLER, replace(world.first(), **BAD[why]), token="t")  # type: ignore[arg-type]  # each is wrong on purpose
    assert world.token.logins == []


def test_a_module_that_the_operator_does_not_list_is_refused_with_the_lines_to_add(world: World) -> None:
    world.modules.clear()
    with pytest.raises(HsmUnavailable, match="lists no module called memory") as refused:
        world.open().create_partition(CALLER, world.first(), token="t")
    assert refused.value.fault is HsmFault.MODULE_UNUSABLE
    assert "modules:\n  memory:\n    path: /" in str(refused.value.suggestion)
    assert world.open().describe_partitions(CALLER) == []


def test_a_partition_behind_a_link_names_a_certificate_that_is_there(world: World) -> None:
    request = world.first(address="hsm:1", server_certificate="-----BEGIN CERTIFICATE-----", client_certificate="edge")
    with pytest.raises(ResourceNotFoundException, match="no client certificate edge"):
        world.open().create_partition(CALLER, request, token="t")


def test_one_token_may_be_adopted_by_two_homes(world: World, tmp_path: Path) -> None:
    world.adopted()
    other = World(tmp_path / "other", world.hsm, world.modules)
    other.folder.mkdir()
    there = other.adopted()
    assert len(world.token.objects) == 2
    assert there.probe_partition(CALLER, "first").orphans == ()
    other.close()


def test_nss_gives_keys_out_and_is_refused_unless_that_is_accepted(tmp_path: Path, tokens: Tokens) -> None:
    world = replace(on_tokens(tmp_path, tokens), module="nss")
    token = tokens["nss"]
    hsm = world.open()
    with pytest.raises(IncompatibleHsm) as refused:
        hsm.create_partition(CALLER, world.request("nss", token.label, token.pin), token="t")
    assert refused.value.fault is HsmFault.NOT_ENFORCED
    assert all(leak in refused.value.summary for leak in (Leak.WRAPPED, Leak.COPIED))
    made = hsm.create_partition(CALLER, world.request("nss", token.label, token.pin, allow_unenforced=True), token="t")
    assert (made.enforced, made.suites[0]) == (False, Suite.GCM)
    found = hsm.probe_partition(CALLER, "nss")
    assert (found.fault, found.keys, found.orphans, found.enforced) == (None, (), (), False)
    world.close()


def test_names_are_unique_whatever_state_they_are_in(world: World) -> None:
    hsm = world.adopted()
    with pytest.raises(AlreadyExistsException):
        hsm.create_partition(CALLER, world.request("first", "b", PINS["b"]), token="other")
    assert world.hsm is not None
    assert world.hsm.tokens["b"].objects == []


@pytest.mark.parametrize("halves", [1, 2])
def test_half_a_key_that_a_kill_left_behind_is_made_anew(world: World, halves: int) -> None:
    """SoftHSM: id and label are there, and the key is not."""
    hsm, left, refused = world.adopted(), [halves], list[str]()

    def half(name: str) -> None:
        if name == "wrap" and left[0]:
            left[0] -= 1
            refused.append(name)
            raise HsmError("C_EncryptInit answered CKR_GENERAL_ERROR", fault=HsmFault.REFUSED)

    world.token.before = half
    hsm.create_cluster_key(CALLER, "first", CEK)
    assert len(refused) == halves
    assert len(world.token.of(CEK)) == 1
    wrapped = hsm.wrap_data_key(CALLER, "first", CEK, DataKey(bytes(32)), {})
    assert hsm.unwrap_data_key(CALLER, "first", CEK, wrapped, {}) == DataKey(bytes(32))


def test_a_token_that_refuses_every_key_it_made_is_told_and_keeps_one_at_most(world: World) -> None:
    hsm = world.adopted()

    def never(name: str) -> None:
        if name == "wrap":
            raise HsmError("it does not", fault=HsmFault.REFUSED)

    world.token.before = never
    with pytest.raises(HsmError, match="it does not"):
        hsm.create_cluster_key(CALLER, "first", CEK)
    assert len(world.token.of(CEK)) == 1


@pytest.mark.parametrize("comes_back", ["by an apply", "by the same call"])
def test_an_older_copy_of_the_home_takes_no_marker_that_keys_of_the_newer_are_known_by(
    world: World, comes_back: str
) -> None:
    """C7: it was copied while the partition was being adopted."""

    def keep(name: str) -> None:
        if name == "wrap" and world.token.labels():
            shutil.copytree(world.home, world.folder / "older", dirs_exist_ok=True)

    world.token.before = keep
    hsm = world.adopted()
    world.token.before = lambda name: None
    hsm.create_cluster_key(CALLER, "first", CEK)
    wrapped = hsm.wrap_data_key(CALLER, "first", CEK, DataKey(bytes(32)), {})
    world.close()
    world.home.rename(world.folder / "newer")
    (world.folder / "older").rename(world.home)
    if comes_back == "by an apply":
        world.open().expire()
    else:
        world.open().create_partition(CALLER, world.first(), token="adopt")
    world.close()
    world.home.rename(world.folder / "older")
    (world.folder / "newer").rename(world.home)
    assert world.open().probe_partition(CALLER, "first").fault is None
    assert world.open().unwrap_data_key(CALLER, "first", CEK, wrapped, {}) == DataKey(bytes(32))
