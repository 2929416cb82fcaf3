"""Two processes at one store: what one is making the other may take for given up, switch off, or let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import ConflictException, DisabledException, ResourceNotFoundException
from reconciler.providers.hsm import Verification
from reconciler.providers.keys import KeyRequest
from reconciler_pkcs11 import Pkcs11, cluster_keys
from reconciler_pkcs11.tests.test_adopting import Killed
from reconciler_pkcs11.tests.worlds import CALLER, PINS, World, in_memory

CEK = "ab" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = in_memory(tmp_path)
    yield made
    made.close()


def once(name: str, does: Callable[[], object]) -> Callable[[str], None]:
    """What does that when the token is next asked for ``name``, and never again."""
    left = [does]

    def before(asked: str) -> None:
        if asked == name and left:
            left.pop()()

    return before


def killed() -> None:
    raise Killed


def keys_in(world: World) -> list[str]:
    return [label.split("/", 3)[-1] for label in world.token.labels() if label.startswith("reconciler/key/")]


def a_key(world: World) -> tuple[Pkcs11, str]:
    hsm = world.adopted()
    return hsm, hsm.create_key(CALLER, KeyRequest(), token="k").arn


def test_a_version_that_counts_meanwhile_is_not_cleared_up(world: World) -> None:
    hsm, key = a_key(world)
    world.token.before = once("generated", killed)
    with suppress(Killed):
        hsm.rotate_key(CALLER, key, token="r")
    assert world.hsm is not None
    second = world.hsm.tokens["b"]
    second.before = once("generated", killed)
    with suppress(Killed):  # what is withdrawn first, so that there is a moment before the version's turn
        world.open().create_partition(CALLER, world.request("second", "b", PINS["b"]), token="s")
    goes_on, sealed = world.open(), []

    def finish() -> None:
        goes_on.rotate_key(CALLER, key, token="r")
        sealed.append(goes_on.encrypt(CALLER, key, b"precious", {}))

    second.before = once("destroy", finish)
    world.open().expire()
    (made,) = sealed
    assert hsm.decrypt(CALLER, made, {}).plaintext.expose_key_bytes() == b"precious"


def test_a_version_that_was_given_up_meanwhile_never_counts(world: World) -> None:
    hsm, key = a_key(world)
    other = world.open()
    world.token.before = once("generated", other.expire)
    with pytest.raises(ConflictException, match="for given up"):
        hsm.rotate_key(CALLER, key, token="r")
    assert keys_in(world) == ["1/enabled"]
    hsm.rotate_key(CALLER, key, token="r")
    assert keys_in(world) == ["1/enabled", "2/enabled"]
    assert hsm.decrypt(CALLER, hsm.encrypt(CALLER, key, b"x", {}), {}).plaintext.expose_key_bytes() == b"x"


@pytest.mark.parametrize("what", ["create", "rotate"])
def test_a_removal_that_was_killed_does_not_keep_the_same_call_from_its_end(world: World, what: str) -> None:
    hsm, key = a_key(world)
    calls: dict[str, Callable[[Pkcs11], object]] = {
        "create": lambda hsm: hsm.create_key(CALLER, KeyRequest(), token="new"),
        "rotate": lambda hsm: hsm.rotate_key(CALLER, key, token="r"),
    }
    for moment, call in (("generated", calls[what]), ("destroy", Pkcs11.expire)):
        world.token.before = once(moment, killed)
        with pytest.raises(Killed):
            call(world.open())
    calls[what](hsm)
    assert len(keys_in(world)) == 2
    hsm.expire()
    assert len(keys_in(world)) == 2


def test_a_key_that_is_disabled_while_it_rotates_stays_so(world: World) -> None:
    hsm, key = a_key(world)
    other = world.open()
    world.token.before = once("generated", lambda: other.disable_key(CALLER, key))
    with pytest.raises(DisabledException):
        hsm.rotate_key(CALLER, key, token="r")
    assert keys_in(world) == ["1/disabled"]
    with pytest.raises(DisabledException):
        hsm.encrypt(CALLER, key, b"x", {})


def test_an_adoption_that_was_killed_at_another_place_keeps_nobody_from_this_one(world: World) -> None:
    world.token.before = once("generated", killed)
    with suppress(Killed):
        world.open().create_partition(CALLER, world.first(), token="p")
    world.token.is_away = True
    hsm = world.open()
    there = replace(world.first(), token_label="b", pin_from=world.pin(PINS["b"], "other"))
    hsm.create_partition(CALLER, there, token="p")
    world.token.is_away = False
    world.clock.advance(seconds=60)
    assert world.token.labels()
    world.open().expire()
    assert world.token.labels() == [], "its marker is removed when it is back"
    assert hsm.probe_partition(CALLER, "first").fault is None


def test_a_marker_that_is_made_late_is_not_the_second_of_its_id(world: World) -> None:
    world.token.before = once("generated", killed)
    with suppress(Killed):
        world.open().create_partition(CALLER, world.first(), token="p")
    late = list(world.token.objects)
    world.token.objects.clear()
    hsm = world.adopted()
    assert late
    world.token.objects += late
    assert hsm.probe_partition(CALLER, "first").fault is None


def test_a_partition_whose_deletion_was_killed_is_none_any_more(world: World) -> None:
    world.adopted()
    for moment in ("destroy", "close"):
        world.token.before = once(moment, killed)
        with suppress(Killed):
            world.open().delete_partition(CALLER, "first")
        world.token.reinitialise()
        hsm = world.open()
        assert hsm.describe_partitions(CALLER) == []
        assert hsm.find_partition(CALLER, token="adopt") is None
        hsm.create_partition(CALLER, world.first(), token="adopt")
        assert hsm.probe_partition(CALLER, "first").fault is None
    world.token.before = once("destroy", killed)
    with suppress(Killed):
        world.open().delete_partition(CALLER, "first")
    world.open().expire()
    assert world.token.labels() == []


def test_nothing_is_made_in_a_partition_that_was_let_go_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hsm = world.adopted()

    def deleted_meanwhile(key_id: str) -> bool:
        hsm.delete_partition(CALLER, "first")
        return True

    monkeypatch.setattr(cluster_keys, "is_id", deleted_meanwhile)
    with pytest.raises(ResourceNotFoundException, match="meanwhile"):
        world.open().create_cluster_key(CALLER, "first", CEK)
    assert world.token.labels() == []


def test_a_cluster_key_is_not_destroyed_while_another_name_of_its_token_has_it(world: World) -> None:
    hsm = world.adopted()
    again = world.request("again", "a", PINS["a"], verify=Verification.CONNECTION_ONLY)
    hsm.create_partition(CALLER, again, token="again")
    hsm.create_cluster_key(CALLER, "first", CEK)
    hsm.adopt_cluster_key(CALLER, "again", CEK)
    hsm.retire_cluster_key(CALLER, "first", CEK)
    with pytest.raises(ConflictException, match="another HSM configuration of the token of first"):
        hsm.destroy_cluster_key(CALLER, "first", CEK)
    assert world.token.of(CEK)
    hsm.retire_cluster_key(CALLER, "again", CEK)
    hsm.destroy_cluster_key(CALLER, "first", CEK)
    assert not world.token.of(CEK)
