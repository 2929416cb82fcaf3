"""A partition behind an agent does what every partition must, on real tokens; and what the agent does when its worker
is lost, its PIN is changed or its token wants no more (PKCS11.md 5 and 7)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.certificates import Side
from reconciler_pkcs11.link.limits import AgentLimits, Deadlines
from reconciler_pkcs11.link.opened import Opener
from reconciler_pkcs11.link.remote import RemotePartition
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.tests.link_world import CLOCK, RANDOM, Running, identity
from reconciler_pkcs11.tests.opening import AAD, SHORT, data_key, label_of, new_id
from reconciler_pkcs11.tests.partition_contract import PartitionContract, PartitionFixtures, generated
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.worker.worker import Target

SERVER = identity("hsm1", Side.SERVER)
CLIENT = identity("orders")
PATIENT = Deadlines(reading=3.0, changing=4.0, waiting_most=0.1)


class Workers:
    """Opens the token of that name in a worker; ``opened`` are all of them, the newest last."""

    def __init__(self, tokens: Tokens, name: str) -> None:
        token = tokens[name]
        self._target = Target(module=tokens.module_of(name), place="HsmPartition/link", token_label=token.label)
        self.opened: list[LocalPartition] = []

    def __call__(self, pin: Callable[[], bytearray]) -> Partition:
        self.opened.append(LocalPartition(self._target, pin, clock=CLOCK, random=RANDOM, deadlines=SHORT))
        return self.opened[-1]

    def kill(self) -> None:
        """End the newest worker as a crash of its module would."""
        pid = self.opened[-1].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


def running(folder: Path, opener: Opener, limits: AgentLimits | None = None) -> Running:
    made = Running(folder / "agent", SERVER, limits or AgentLimits(reopening_first=0.0), opener=opener)
    made.register(CLIENT)
    return made


class LinkFixtures(PartitionFixtures):
    @pytest.fixture
    def agent(self, tokens: Tokens, tmp_path: Path) -> Iterator[Running]:
        with running(tmp_path, Workers(tokens, self.target)).served() as agent:
            agent.pin = tokens[self.target].pin
            yield agent

    @pytest.fixture
    def opens(self, agent: Running) -> Callable[[], Partition]:
        return lambda: agent.remote(CLIENT, agent.pin, deadlines=PATIENT)


class TestSoftHsmBehindAnAgent(LinkFixtures, PartitionContract):
    pass


class TestNssBehindAnAgent(LinkFixtures):
    """What differs at a token of another maker that gives out keys; the link does not look at who is behind it."""

    target = "nss"
    leaks = True

    test_an_examination = PartitionContract.test_an_examination_names_the_suites_best_first_and_whether_keys_stay_in
    test_what_was_wrapped_opens = PartitionContract.test_what_was_wrapped_opens_in_its_context


@pytest.fixture
def workers(tokens: Tokens) -> Workers:
    return Workers(tokens, "faulty")


@pytest.fixture
def agent(tokens: Tokens, workers: Workers, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, workers).served() as agent:
        agent.pin = tokens["faulty"].pin
        yield agent


@pytest.fixture
def partition(agent: Running) -> Iterator[RemotePartition]:
    found = agent.remote(CLIENT, agent.pin, deadlines=PATIENT)
    yield found
    found.close()


def test_a_worker_that_was_killed_is_replaced_and_nobody_notices(
    partition: RemotePartition, workers: Workers, tokens: Tokens
) -> None:
    key_id, key = generated(partition, Suite.GCM), data_key()
    sealed = partition.wrap(key_id, Suite.GCM, key, AAD)
    workers.kill()
    assert partition.unwrap(sealed, AAD) == key
    assert len(workers.opened) == 1, "it replaces itself"
    assert tokens.calls().count("C_Login") == 2


def test_a_worker_that_is_lost_again_and_again_is_replaced_once_in_a_while(
    partition: RemotePartition, workers: Workers, agent: Running
) -> None:
    partition.list_keys()
    workers.kill()
    partition.list_keys()
    workers.kill()
    with pytest.raises(HsmUnavailable) as raised:
        partition.list_keys()
    assert raised.value.fault is HsmFault.CLOSED
    assert "not tried again" in (raised.value.detail or "")
    agent.says("the token could not be asked")


def test_a_worker_that_is_killed_in_a_change_leaves_its_outcome_unknown(
    partition: RemotePartition, workers: Workers, tokens: Tokens
) -> None:
    partition.list_keys()
    tokens.fault("C_GenerateKey sleep 60")
    key_id = new_id()
    threading.Timer(0.3, workers.kill).start()
    with pytest.raises(HsmUnavailable) as raised:
        partition.generate(key_id, label_of(key_id), Suite.GCM)
    assert raised.value.fault is HsmFault.CLOSED
    assert "unknown" in (raised.value.detail or "")
    tokens.fault()
    assert partition.find_keys(key_id) == []  # looked for by its id


def test_a_module_that_hangs_times_out_by_its_name(partition: RemotePartition, tokens: Tokens) -> None:
    key_id = generated(partition, Suite.GCM)
    tokens.fault("C_Encrypt sleep 60")
    begun = time.monotonic()
    with pytest.raises(HsmUnavailable) as raised:
        partition.wrap(key_id, Suite.GCM, data_key(), AAD)
    assert raised.value.fault is HsmFault.TIMEOUT
    assert time.monotonic() - begun < 8


def test_a_wrong_pin_is_one_login_at_the_token_whatever_is_restarted(
    tokens: Tokens, workers: Workers, tmp_path: Path
) -> None:
    for _ in range(2):
        with running(tmp_path, workers).served() as agent:
            for _ in range(2):
                wrong = agent.remote(CLIENT, "not-the-pin", deadlines=PATIENT)
                with pytest.raises(HsmError) as raised:
                    wrong.list_keys()
                assert raised.value.fault is HsmFault.PIN_REFUSED
                wrong.close()
    assert tokens.calls().count("C_Login") == 1


def test_a_token_with_one_try_left_is_not_logged_in_to_and_its_pin_is_not_called_wrong(
    agent: Running, tokens: Tokens
) -> None:
    tokens.fault("C_GetTokenInfo final")
    first = agent.remote(CLIENT, agent.pin, deadlines=PATIENT)
    with pytest.raises(HsmError) as raised:
        first.list_keys()
    assert raised.value.fault is HsmFault.REFUSED
    assert "FINAL_TRY" in (raised.value.detail or "")
    assert tokens.calls().count("C_Login") == 0
    tokens.fault()  # its security officer has seen to it
    assert first.list_keys() == []
    first.close()
