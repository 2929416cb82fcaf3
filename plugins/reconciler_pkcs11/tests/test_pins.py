"""A PIN that a token refused is sent once: by threads, processes and after restarts, until its source gives another."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.keys import KeyRequest, KeyState
from reconciler.providers.plugin import NativeModule
from reconciler.providers.secret_source import SecretSource
from reconciler.testing.fence_contract import NEWEST, STALE
from reconciler_pkcs11.tests import making
from reconciler_pkcs11.tests.memory_hsm import unavailable
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.tests.worlds import CALLER, PINS, World, in_memory, on_tokens

WRONG = "a-wrong-PIN"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = in_memory(tmp_path)
    yield made
    made.close()


def refused(world: World) -> HsmError:
    """A new process tries to use the first partition."""
    with pytest.raises(HsmError) as told:
        world.open().verify_partition(CALLER, "first")
    assert told.value.fault is HsmFault.PIN_REFUSED
    assert WRONG not in str(told.value.diagnostics())
    return told.value


def test_a_refused_pin_is_sent_once_by_however_many_processes(world: World) -> None:
    world.adopted()
    world.token.pin = "changed at the HSM"
    world.token.logins.clear()
    for _ in range(4):
        refused(world)
    assert world.token.logins == [PINS["a"]]
    world.pin("changed at the HSM", "pin-first")
    assert world.open().verify_partition(CALLER, "first").name == "first"
    assert len(world.token.logins) == 2


def test_after_another_pin_was_accepted_the_first_counts_again(world: World) -> None:
    world.adopted()
    world.token.pin = "second"
    refused(world)
    world.pin("second", "pin-first")
    world.open().verify_partition(CALLER, "first")
    world.token.pin = PINS["a"]
    refused(world)
    world.pin(PINS["a"], "pin-first")
    assert world.open().verify_partition(CALLER, "first")


def test_each_of_several_wrong_pins_is_remembered(world: World) -> None:
    world.adopted()
    world.token.logins.clear()
    for text in ("one", "two", "one", "two", "one"):
        world.pin(text, "pin-first")
        refused(world)
    assert world.token.logins == ["one", "two"]


def test_threads_that_begin_together_send_a_wrong_pin_once(world: World) -> None:
    world.adopted()
    world.token.pin = "changed"
    world.token.logins.clear()
    providers = [world.open() for _ in range(6)]
    faults: list[HsmFault] = []

    def use(number: int) -> None:
        try:
            providers[number].verify_partition(CALLER, "first")
        except HsmError as error:
            faults.append(error.fault)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert faults == [HsmFault.PIN_REFUSED] * 6
    assert world.token.logins == [PINS["a"]]


_TRY = """
import sys
from pathlib import Path
from reconciler_pkcs11.tests.worlds import CALLER
from reconciler_pkcs11.tests.test_pins import of_environment
from reconciler.errors import HsmError
world = of_environment(Path(sys.argv[1]))
try:
    world.open().verify_partition(CALLER, "first")
except HsmError as error:
    print(error.fault)
world.close()
"""


def of_environment(folder: Path) -> World:
    """The world of a test, in another process: its faulty token."""
    modules = {
        name: NativeModule(path=each.path, environment=each.environment)
        for name, each in making.modules(folder / "hsm").items()
    }
    return World(folder, None, modules, module="faulty")


def test_processes_that_begin_together_log_in_once(tmp_path: Path, tokens: Tokens) -> None:
    """Counted by the shim in front of the token: C_Login, not what we say of it."""
    world = replace(on_tokens(tmp_path, tokens), module="faulty")
    token = tokens["faulty"]
    world.open().create_partition(CALLER, world.request("first", token.label, token.pin), token="t")
    world.close()
    world.pin(WRONG, "pin-first")
    before = tokens.calls().count("C_Login")
    running = [
        subprocess.Popen([sys.executable, "-c", _TRY, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [each.communicate(timeout=60)[0].strip() for each in running]
    assert said == [HsmFault.PIN_REFUSED] * 3
    assert tokens.calls().count("C_Login") == before + 1
    refused(world)
    assert tokens.calls().count("C_Login") == before + 1
    world.close()


def test_a_pin_leaves_nothing_on_disk_or_in_the_log(world: World) -> None:
    hsm = world.adopted()
    world.pin(WRONG, "pin-first")
    refused(world)
    said = str(list(hsm.audit_events()))
    assert "HsmPinRefused" in said
    kept = b"".join(path.read_bytes() for path in world.home.rglob("*") if path.is_file())
    for text in (WRONG, PINS["a"]):
        assert text.encode() not in kept
        assert text not in said


def test_an_overtaken_process_remembers_a_refusal_too(world: World) -> None:
    world.writer.fence = NEWEST
    world.adopted()
    world.writer.fence = STALE
    world.token.pin = "changed"
    world.token.logins.clear()
    for _ in range(2):
        refused(world)
    assert len(world.token.logins) == 1


def test_a_login_that_is_lost_on_the_way_is_no_refusal(world: World) -> None:
    world.adopted()
    world.token.is_away = True
    for _ in range(2):
        with pytest.raises(HsmUnavailable):
            world.open().verify_partition(CALLER, "first")
    world.token.is_away = False
    assert world.open().verify_partition(CALLER, "first")


def test_a_pin_changed_while_we_are_logged_in_is_sent_once_more_and_not_again(world: World) -> None:
    hsm = world.adopted()
    key = hsm.create_cluster_key(CALLER, "first", "0" * 32).key_id
    world.token.pin = "changed"
    world.token.logins.clear()
    assert hsm.create_cluster_key(CALLER, "first", key), "the session goes on"
    world.token.before = lambda name: (_ for _ in ()).throw(unavailable(HsmFault.CLOSED)) if name == "unwrap" else None
    with pytest.raises(HsmUnavailable):
        hsm.create_cluster_key(CALLER, "first", key)
    world.token.before = lambda name: None
    for _ in range(3):
        with pytest.raises(HsmError) as told:
            hsm.create_cluster_key(CALLER, "first", key)
        assert told.value.fault is HsmFault.PIN_REFUSED
    assert len(world.token.logins) == 1


def test_a_source_that_gives_nothing_is_one_message_and_no_login(world: World) -> None:
    world.adopted()
    world.token.logins.clear()
    (world.folder / "pin-first").unlink()
    with pytest.raises(HsmUnavailable, match="PIN of the HSM partition") as told:
        world.open().verify_partition(CALLER, "first")
    assert told.value.fault is HsmFault.PIN_UNAVAILABLE
    assert world.open().probe_partition(CALLER, "first").fault is HsmFault.PIN_UNAVAILABLE
    hsm = world.open()
    unlisted = replace(world.first(), pin_from=SecretSource(command=("/bin/echo", PINS["a"])))
    with pytest.raises(HsmUnavailable, match="not one that the operator's file lists"):
        hsm.modify_partition(CALLER, unlisted)
    assert world.token.logins == []


def test_a_plan_without_the_pin_shows_keys_as_they_were_last_seen(world: World) -> None:
    hsm = world.adopted()
    key = hsm.create_key(CALLER, KeyRequest(), token="k")
    other = hsm.create_key(CALLER, KeyRequest(), token="l")
    hsm.disable_key(CALLER, key.arn)
    for _, each in world.token.objects:  # another host does the same to the other one
        each.label = each.label.replace("/enabled", "/disabled")
    assert world.open().describe_keys(CALLER, [other.arn])[other.arn].state is KeyState.DISABLED
    (world.folder / "pin-first").unlink()
    found = world.open().describe_keys(CALLER, [key.arn, other.arn])
    assert [each.state for each in found.values()] == [KeyState.DISABLED] * 2
