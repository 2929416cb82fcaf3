"""The cycle on a token that has neither GCM nor key wrap and locks its PIN (PKCS11.md 7). Part of the campaign alone:
``scripts/test_opencryptoki.sh`` runs it, and its name keeps it from being found otherwise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler.testing.hsm_contract import ClusterKeysContract, HsmProviderContract, HsmWorld
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.tests import test_keys_contract, test_partition_kills
from reconciler_pkcs11.tests.opencryptoki import LABEL, PIN, Daemon, at_the_token, new_token
from reconciler_pkcs11.tests.test_blob import python_pkcs11_opens
from reconciler_pkcs11.tests.test_local_partition import LocalContract
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.tests.worlds import CALLER, World, contract_world, on_tokens

KEY = "0" * 32
DEK = DataKey(bytes(range(32)))


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Tokens, Daemon]]:
    with new_token(tmp_path / "hsm") as made:
        yield made


@pytest.fixture
def tokens(there: tuple[Tokens, Daemon]) -> Tokens:
    return there[0]


@pytest.fixture
def daemon(there: tuple[Tokens, Daemon]) -> Daemon:
    return there[1]


@pytest.fixture
def world(tmp_path: Path, tokens: Tokens) -> Iterator[World]:
    """The token is the partition ``first``, behind the shim, and has one cluster key."""
    made = replace(on_tokens(tmp_path, tokens), module="faulty")
    hsm = made.open()
    hsm.create_partition(CALLER, made.request("first", LABEL, PIN), token="adopt")
    hsm.create_cluster_key(CALLER, "first", KEY)
    yield made
    made.close()


class TestPartition(LocalContract):
    target = "opencryptoki"

    def test_the_one_suite_that_it_has_is_found_by_trying(self, partition: Partition) -> None:
        found = partition.examine()

        assert (found.suites, found.leaks) == ((Suite.CBC_HMAC,), ())


class TestProvider:
    """What needs one partition only."""

    @pytest.fixture
    def hsm(self, tmp_path: Path, tokens: Tokens) -> Iterator[HsmWorld]:
        world = replace(on_tokens(tmp_path, tokens), module="faulty")
        yield contract_world(world, world.request("first", LABEL, PIN), world.request("second", "none", PIN))
        world.close()

    test_away = HsmProviderContract.test_what_cannot_be_reached_is_not_kept
    test_a_wrong_pin = HsmProviderContract.test_a_wrong_pin_is_refused_and_nothing_is_kept
    test_a_sound_partition = HsmProviderContract.test_a_sound_partition_is_found_sound
    test_a_partition_goes = HsmProviderContract.test_a_partition_goes_when_it_has_no_keys
    test_made_once = ClusterKeysContract.test_a_key_is_made_once_for_its_id
    test_opens_in_every_process = ClusterKeysContract.test_what_was_wrapped_opens_in_every_process_and_shows_nothing
    test_nothing_else_opens = ClusterKeysContract.test_another_key_context_or_byte_opens_nothing
    test_retired = ClusterKeysContract.test_a_retired_key_opens_and_wraps_nothing_new
    test_destroyed = ClusterKeysContract.test_a_destroyed_key_opens_nothing_any_more


class TestKeys(test_keys_contract.TestOnSoftHsm):
    @pytest.fixture
    def world(self, world: World) -> World:
        return world

    @pytest.fixture
    def provider(self, world: World) -> Pkcs11:
        return world.open()


def test_python_pkcs11_opens_what_we_wrapped(tokens: Tokens, tmp_path: Path) -> None:
    python_pkcs11_opens(tokens, "opencryptoki", (Suite.CBC_HMAC,), tmp_path)


_TRY = """
import sys
from pathlib import Path
from reconciler.errors import HsmError
from reconciler.providers.plugin import NativeModule
from reconciler_pkcs11.tests.worlds import CALLER, World
path, *pairs = sys.argv[2:]
module = NativeModule(path=Path(path), environment=dict(pair.split("=", 1) for pair in pairs))
world = World(Path(sys.argv[1]), None, {"faulty": module}, module="faulty")
try:
    print(world.open().verify_partition(CALLER, "first").name)
except HsmError as error:
    print(error.fault, error.detail)
world.close()
"""


def process(world: World) -> subprocess.Popen[str]:
    """Another process asks for the partition."""
    module = world.modules["faulty"]
    pairs = [f"{name}={value}" for name, value in module.environment.items()]
    order = [sys.executable, "-c", _TRY, str(world.folder), str(module.path), *pairs]
    return subprocess.Popen(order, stdout=subprocess.PIPE, text=True)


def said(running: subprocess.Popen[str]) -> str:
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    return out.strip()


def logins(tokens: Tokens) -> int:
    return tokens.calls().count("C_Login")


def test_each_wrong_pin_is_one_login_and_the_last_try_is_a_persons(world: World, tokens: Tokens) -> None:
    before = logins(tokens)
    for pin, sent, why in (
        ("wrong-1", 1, "CKR_PIN_INCORRECT"),
        ("wrong-1", 1, "lock for good"),
        ("wrong-2", 2, "CKR_PIN_INCORRECT"),
        ("wrong-2", 2, "one try is left"),
        ("wrong-3", 2, "one try is left"),
        (PIN, 2, "one try is left"),
    ):
        world.pin(pin, "pin-first")
        answer = said(process(world))
        assert answer.startswith(HsmFault.PIN_REFUSED), answer
        assert why in answer
        assert logins(tokens) - before == sent

    assert at_the_token("log-in", PIN) == ["CKR_OK"]

    assert said(process(world)) == "first"
    assert logins(tokens) - before == 3


def test_processes_that_begin_together_use_up_one_try(world: World, tokens: Tokens) -> None:
    world.pin("wrong-1", "pin-first")
    before = logins(tokens)

    answers = [said(each) for each in [process(world) for _ in range(3)]]

    assert all(answer.startswith(HsmFault.PIN_REFUSED) for answer in answers), answers
    assert logins(tokens) - before == 1
    world.pin(PIN, "pin-first")
    assert said(process(world)) == "first"


def test_a_locked_pin_is_not_tried_and_one_set_anew_is(world: World, tokens: Tokens) -> None:
    answers = at_the_token("log-in", "wrong-1", "wrong-2", "wrong-3", PIN)
    assert answers == ["CKR_PIN_INCORRECT"] * 3 + ["CKR_PIN_LOCKED"]
    before = logins(tokens)

    for pin in (PIN, "another"):
        world.pin(pin, "pin-first")
        answer = said(process(world))
        assert answer.startswith(HsmFault.PIN_REFUSED)
        assert "locked" in answer
    assert logins(tokens) == before

    assert at_the_token("set", "user-b34") == ["CKR_OK"]
    world.pin("user-b34", "pin-first")
    assert said(process(world)) == "first"


def test_keys_outlive_the_daemon_and_without_it_nothing_is_concluded(world: World, daemon: Daemon) -> None:
    wrapped = world.open().wrap_data_key(CALLER, "first", KEY, DEK, {})
    world.close()
    daemon.stop()
    try:
        hsm = world.open()
        found = hsm.probe_partition(CALLER, "first", key_ids=[KEY])
        assert found.fault is not None
        assert (found.keys, found.orphans) == ((), ())
        with pytest.raises(HsmUnavailable) as told:
            hsm.unwrap_data_key(CALLER, "first", KEY, wrapped, {})
        assert "C_Initialize" in (told.value.detail or "")
        world.close()
    finally:
        daemon.start()

    assert world.open().unwrap_data_key(CALLER, "first", KEY, wrapped, {}) == DEK


@pytest.mark.parametrize("when", ["kill", "killed"])
@pytest.mark.parametrize("step", test_partition_kills.STEPS)
def test_a_worker_killed_at_a_step_of_making_a_key(tokens: Tokens, step: str, when: str) -> None:
    test_partition_kills.test_a_worker_killed_at_a_step_of_making_a_key(tokens, step, when, Suite.CBC_HMAC)


def test_a_token_that_lost_its_data_is_not_judged(world: World, daemon: Daemon) -> None:
    world.close()
    daemon.lose_the_token()

    found = world.open().probe_partition(CALLER, "first", key_ids=[KEY])
    assert found.fault is HsmFault.ABSENT_OR_AMBIGUOUS
    assert (found.keys, found.orphans) == ((), ())
    with pytest.raises(HsmUnavailable):
        world.open().create_cluster_key(CALLER, "first", "1" * 32)
