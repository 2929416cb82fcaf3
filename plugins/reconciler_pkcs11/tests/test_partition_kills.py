"""kill -9 of the worker, and of whoever started it, at every step of making a key: the same call again converges on one
key that works, and no process stays behind (I10, I15)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.tests.elsewhere import elsewhere
from reconciler_pkcs11.tests.opening import AAD, data_key, label_of, new_id, open_local
from reconciler_pkcs11.tests.partition_contract import generated
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.token.cbc_hmac import mac_id

STEPS = (
    *("C_OpenSession", "C_FindObjectsInit", "C_FindObjects", "C_GenerateKey", "C_GetAttributeValue", "C_CloseSession"),
)
ROOT = Path(__file__).resolve().parents[3]


def settled(tokens: Tokens, key_id: str, suite: Suite) -> None:
    """What whoever asked does after an unknown outcome: look by id, and make it only if it is not there. Then there is
    one key, it works, and nothing else of ours is there."""
    tokens.fault()
    partition = open_local(tokens, "faulty")
    try:
        if not partition.find_keys(key_id):
            partition.generate(key_id, label_of(key_id), suite)
        key = data_key()
        assert partition.unwrap(partition.wrap(key_id, suite, key, AAD), AAD) == key
        assert [each.key_id for each in partition.list_keys()] == [key_id]
        with pytest.raises(HsmError) as taken:
            partition.generate(key_id, label_of(key_id), suite)
        assert taken.value.fault is HsmFault.KEY_DUPLICATE
        partition.destroy(key_id, label_of(key_id))
        assert partition.list_keys() == []
    finally:
        partition.close()


@pytest.mark.parametrize(
    ("suite", "when", "step"),
    [
        *((Suite.GCM, "kill", step) for step in STEPS),  # before each call is after the one before it
        *((suite, "killed", "C_GenerateKey") for suite in (Suite.GCM, Suite.CBC_HMAC)),
        (Suite.GCM, "killed", "C_CloseSession"),
        *((Suite.CBC_HMAC, "kill", step) for step in ("C_GenerateKey", "C_GetAttributeValue")),
    ],
)
def test_a_worker_killed_at_a_step_of_making_a_key(tokens: Tokens, step: str, when: str, suite: Suite) -> None:
    key_id = new_id()
    partition = open_local(tokens, "faulty")
    tokens.fault(f"{step} {when} once")

    with pytest.raises(HsmUnavailable) as lost:
        partition.generate(key_id, label_of(key_id), suite)
    partition.close()

    assert lost.value.fault is HsmFault.MODULE_CRASHED
    settled(tokens, key_id, suite)


PARENT = """
import json, sys
from pathlib import Path
from reconciler.providers.hsm import Suite
from reconciler.providers.plugin import NativeModule
from reconciler.testing.fakes import ManualClock
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.tests.opening import RANDOM, SHORT, Pins
from reconciler_pkcs11.worker.worker import DEADLINES, Target

order = json.load(sys.stdin)
module = NativeModule(path=Path(order["path"]), environment=order["environment"])
target = Target(module=module, place="x", token_label=order["label"])
partition = LocalPartition(target, Pins(order["pin"]), clock=ManualClock(), random=RANDOM,
                           deadlines=SHORT if order["hurried"] else DEADLINES)
print(partition.pid, flush=True)
Path(order["control"]).write_text(order["fault"])
partition.generate(order["key_id"], "reconciler/cluster/" + order["key_id"], Suite(order["suite"]))
"""


def killed_parent(tokens: Tokens, fault: str, key_id: str, *, hurried: bool = False) -> int:
    """A process that makes a key is killed by ``fault``; the process id of the worker that it had."""
    token, module = tokens["faulty"], tokens.module_of("faulty")
    order = {
        "path": str(module.path),
        "environment": dict(module.environment),
        "label": token.label,
        "pin": token.pin,
        "key_id": key_id,
        "suite": "gcm",
        "control": str(tokens.folder / "faults"),
        "fault": f"{fault}\n",
        "hurried": hurried,
    }
    done = subprocess.run(
        [sys.executable, "-c", PARENT],
        input=json.dumps(order).encode(),
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -9, done.stderr.decode()[-1000:]
    return int(done.stdout)


def is_gone(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":  # whoever adopts it may take its time
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("step", "when"), [("C_FindObjectsInit", "orphan"), ("C_GenerateKey", "orphan"), ("C_CloseSession", "orphaned")]
)
def test_whoever_makes_a_key_killed_at_a_step_of_it(tokens: Tokens, step: str, when: str) -> None:
    key_id = new_id()

    worker = killed_parent(tokens, f"{step} {when} once", key_id)

    assert is_gone(worker, 10)
    settled(tokens, key_id, Suite.GCM)


def test_a_worker_that_hangs_outlives_whoever_started_it_by_its_deadline_only(tokens: Tokens) -> None:
    worker = killed_parent(tokens, "C_FindObjectsInit orphan\nC_FindObjects sleep 60", new_id(), hurried=True)

    assert is_gone(worker, 10)


def test_a_token_that_was_killed_in_at_random_times_has_no_key_twice_and_lists_no_half_one(tokens: Tokens) -> None:
    for turn in range(8):
        key_id = new_id()
        partition = open_local(tokens, "a")
        generated(partition, Suite.GCM)  # so that what is timed is not the first use
        stop = threading.Timer(0.0005 * turn, _kill, [partition])
        stop.start()
        with suppress(HsmUnavailable):
            partition.generate(key_id, label_of(key_id), Suite.GCM)
        stop.join()
        partition.close()

        partition = open_local(tokens, "a")
        if not partition.find_keys(key_id):
            partition.generate(key_id, label_of(key_id), Suite.GCM)
        key = data_key()
        try:
            sealed = partition.wrap(key_id, Suite.GCM, key, AAD)
        except HsmError as half:  # id and label are there, and no key: whoever makes it makes it anew
            assert half.fault is HsmFault.REFUSED
            partition.destroy(key_id, label_of(key_id))
            partition.generate(key_id, label_of(key_id), Suite.GCM)
            sealed = partition.wrap(key_id, Suite.GCM, key, AAD)
        assert partition.unwrap(sealed, AAD) == key
        assert len(partition.find_keys(key_id)) == 1
        assert all(not each.weakened for each in partition.list_keys())
        partition.close()


def _kill(partition: LocalPartition) -> None:
    if partition.pid is not None:
        os.kill(partition.pid, signal.SIGKILL)


def test_half_objects_are_passed_over(tokens: Tokens) -> None:
    partition = open_local(tokens, "a")
    key_id = generated(partition, Suite.GCM)
    partition.close()
    whole = max(tokens.folder.glob("softhsm/tokens/*/*.object"), key=lambda path: path.stat().st_mtime_ns)
    for length in (0, 8, 200, 400):
        whole.with_name(f"{length:08d}-0000-0000-0000-000000000000.object").write_bytes(whole.read_bytes()[:length])

    partition = open_local(tokens, "a")
    assert [each.key_id for each in partition.list_keys()] == [key_id]
    other = generated(partition, Suite.GCM)
    assert len(partition.find_keys(other)) == 1
    partition.close()


def test_the_second_key_of_a_suite_that_a_crash_left_alone_is_taken_up(tokens: Tokens) -> None:
    key_id = new_id()
    partition = open_local(tokens, "faulty")
    # The first key that is made is the second in name: kill right after it, before the one that has the id.
    tokens.fault("C_GenerateKey killed once")
    with pytest.raises(HsmUnavailable):
        partition.generate(key_id, label_of(key_id), Suite.CBC_HMAC)
    partition.close()

    partition = open_local(tokens, "faulty")
    assert partition.find_keys(key_id) == []
    assert [each.key_id for each in partition.list_keys()] == [mac_id(key_id)]
    partition.generate(key_id, label_of(key_id), Suite.CBC_HMAC)
    assert [each.key_id for each in partition.list_keys()] == [key_id]
    partition.close()
    assert elsewhere(tokens, "a", {"do": "count", "id": mac_id(key_id)}) == [1]
