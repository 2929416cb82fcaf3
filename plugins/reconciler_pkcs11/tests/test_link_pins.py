"""PINs at an agent: a refused one is never sent to the token again, and no client can use up the token's patience."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.certificates import Identity, Side
from reconciler_pkcs11.link.attempts import Attempts
from reconciler_pkcs11.link.limits import AgentLimits
from reconciler_pkcs11.link.serving import ServesPartition
from reconciler_pkcs11.tests.link_world import PIN, MemoryToken, Running, agent_services, identity

KEY = "ab" * 16
LABEL = f"reconciler/cluster/{KEY}"


@pytest.fixture(scope="module")
def server() -> Identity:
    return identity("hsm1", Side.SERVER)


@pytest.fixture(scope="module")
def clients() -> list[Identity]:
    return [identity("orders"), identity("billing")]


@pytest.fixture
def make(tmp_path: Path, server: Identity, clients: list[Identity]) -> Callable[[MemoryToken], Running]:
    """An agent in the same folder each time, to be begun."""

    def made(token: MemoryToken) -> Running:
        running = Running(tmp_path / "agent", server, token=token)
        running.register(*clients)
        return running

    return made


def refusal(running: Running, client: Identity, pin: str) -> HsmError:
    found = running.remote(client, pin)
    with pytest.raises(HsmError) as raised:
        found.list_keys()
    found.close()
    return raised.value


def accepted(running: Running, client: Identity, pin: str = PIN) -> None:
    found = running.remote(client, pin)
    found.list_keys()
    found.close()


def test_a_refused_pin_is_sent_once_by_whomever_and_after_a_restart(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    token = MemoryToken()
    with make(token).served() as running:
        for client in (clients[0], clients[0], clients[1]):
            assert refusal(running, client, "wrong").fault is HsmFault.PIN_REFUSED
    with make(token).served() as running:
        assert refusal(running, clients[1], "wrong").fault is HsmFault.PIN_REFUSED
    assert token.logins == ["wrong"]


def test_the_same_object_does_not_even_ask_again(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    pins = iter(["wrong", "wrong", PIN])
    with make(MemoryToken()).served() as running:
        found = running.remote(clients[0])
        found._pin = lambda: bytearray(next(pins).encode())
        for _ in range(2):
            with pytest.raises(HsmError):
                found.list_keys()
        assert sum("login failed" in line for line in running.lines) <= 1
        assert found.list_keys() == []  # the source gives another one by now
        found.close()


def test_two_refusals_of_one_client_are_enough_and_others_are_not_touched(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    token = MemoryToken()
    first, second = clients
    with make(token).served() as running:
        for pin in ("wrong-1", "wrong-2"):
            assert refusal(running, first, pin).fault is HsmFault.PIN_REFUSED
        for pin in ("wrong-3", PIN):
            error = refusal(running, first, pin)
            assert error.fault is HsmFault.REFUSED, "nobody looked at that PIN, so it is not known to be wrong"
            assert first.certificate.fingerprint[:16] in (error.suggestion or "")
        accepted(running, second)
        accepted(running, first)  # open by now: it costs the token nothing
    assert token.logins == ["wrong-1", "wrong-2", PIN]


def test_forgiving_lets_a_client_try_again(
    make: Callable[[MemoryToken], Running], clients: list[Identity], tmp_path: Path
) -> None:
    token = MemoryToken()
    with make(token).served() as running:
        for pin in ("wrong-1", "wrong-2"):
            refusal(running, clients[0], pin)
        token.pin = "wrong-1"  # which is right by now
        assert refusal(running, clients[0], "wrong-1").fault is HsmFault.PIN_REFUSED
        services = agent_services(running.lines.append)
        assert ServesPartition.forgive(running.folder, "00000000", services=services) == 0
        assert ServesPartition.forgive(running.folder, clients[0].certificate.fingerprint[:8], services=services) == 1
        accepted(running, clients[0], "wrong-1")
    assert ServesPartition.forgive(tmp_path / "none", None, services=services) == 0


def test_a_token_that_could_not_be_asked_costs_no_attempt(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    def away(operation: str) -> None:
        raise HsmUnavailable("away", fault=HsmFault.UNREACHABLE)

    token = MemoryToken(before=away)
    running = make(token)
    running.limits = AgentLimits(reopening_first=0.0)
    with running.served():
        for _ in range(4):
            assert refusal(running, clients[0], PIN).fault is HsmFault.UNREACHABLE
        token.before = MemoryToken().before
        accepted(running, clients[0])


def test_a_token_that_is_away_is_not_stormed(make: Callable[[MemoryToken], Running], clients: list[Identity]) -> None:
    asked = []

    def away(operation: str) -> None:
        asked.append(operation)
        raise HsmUnavailable("away", fault=HsmFault.UNREACHABLE)

    running = make(MemoryToken(before=away))
    running.limits = AgentLimits(reopening_first=60.0)
    with running.served():
        for _ in range(4):
            assert refusal(running, clients[0], PIN).fault is HsmFault.UNREACHABLE
    assert asked == ["log_in"]


def test_an_attempt_is_counted_before_the_token_hears_of_it(tmp_path: Path, clients: list[Identity]) -> None:
    (tmp_path / "agent").mkdir(mode=0o700)
    client = clients[0].certificate
    for _ in range(2):
        attempts = Attempts(tmp_path / "agent", 2)
        attempts.begin(client, "place")
        attempts.close()  # killed before there was an answer
    attempts = Attempts(tmp_path / "agent", 2)
    with pytest.raises(HsmError) as raised:
        attempts.begin(client, "place")
    assert raised.value.fault is HsmFault.REFUSED
    attempts.clear(client)
    attempts.begin(client, "place")
    attempts.close()


def test_the_token_is_logged_in_to_once_for_all_clients_who_know_the_pin(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    token = MemoryToken()
    with make(token).served() as running:
        first, second = (running.remote(each) for each in clients)
        first.generate(KEY, LABEL, Suite.GCM)
        assert [each.key_id for each in second.list_keys()] == [KEY]
        second.destroy(KEY, LABEL)
        assert first.list_keys() == []
        first.close()
        second.close()
    assert token.logins == [PIN]


def test_a_changed_pin_is_tried_in_a_worker_of_its_own_and_the_old_one_shut(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    token = MemoryToken()
    with make(token).served() as running:
        accepted(running, clients[0])
        token.pin = "changed"
        accepted(running, clients[0], "changed")
        assert refusal(running, clients[1], PIN).fault is HsmFault.PIN_REFUSED
    assert token.logins == [PIN, "changed", PIN]


def test_a_token_that_lets_its_worker_in_no_more_has_its_pin_remembered(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    """A worker that replaces itself may find the PIN changed: that refusal counts, and the PIN is not sent again."""
    token = MemoryToken()

    def changed(operation: str) -> None:
        if operation == "list_keys":
            token.asks()  # of a worker that was begun anew
            raise HsmError("CKR_PIN_INCORRECT", fault=HsmFault.PIN_REFUSED)

    with make(token).served() as running:
        token.before = changed
        for _ in range(2):
            assert refusal(running, clients[0], PIN).fault is HsmFault.PIN_REFUSED
    assert token.logins == [PIN]


def test_a_token_that_wants_no_login_now_says_nothing_of_the_pin(
    make: Callable[[MemoryToken], Running], clients: list[Identity]
) -> None:
    def one_try_left(operation: str) -> None:
        raise HsmError("CKF_USER_PIN_FINAL_TRY", fault=HsmFault.PIN_REFUSED)

    token = MemoryToken()
    with make(token).served() as running:
        token.before = one_try_left
        for _ in range(4):
            assert refusal(running, clients[0], PIN).fault is HsmFault.REFUSED
        token.before = MemoryToken().before
        accepted(running, clients[0])
        token.before = one_try_left
        assert refusal(running, clients[0], PIN).fault is HsmFault.REFUSED
        token.before = MemoryToken().before
        accepted(running, clients[0])
    assert token.logins == [PIN]


def test_no_pin_and_no_key_is_reported_or_kept(
    make: Callable[[MemoryToken], Running], clients: list[Identity], tmp_path: Path
) -> None:
    with make(MemoryToken()).served() as running:
        refusal(running, clients[0], "wrong-pin-of-orders")
        accepted(running, clients[0])
    kept = b"".join(path.read_bytes() for path in (tmp_path / "agent").rglob("*") if path.is_file())
    for secret in ("wrong-pin-of-orders", PIN):
        assert secret.encode() not in kept
        assert not any(secret in line for line in running.lines)
