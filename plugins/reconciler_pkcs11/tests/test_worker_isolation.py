"""A worker shares nothing with whoever started it: no variable, argument, descriptor, session or output (HS5, I19)."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler_pkcs11
from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.providers.hsm import Suite
from reconciler.providers.plugin import NativeModule
from reconciler.testing.fakes import ManualClock
from reconciler_pkcs11.local import LocalPartition
from reconciler_pkcs11.tests import making
from reconciler_pkcs11.tests.opening import AAD, RANDOM, SHORT, Pins, data_key, open_local
from reconciler_pkcs11.tests.partition_contract import generated
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.worker.worker import Target

PIN = making.PINS["partition-a"]


@pytest.fixture
def partition(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalPartition]:
    monkeypatch.setenv("SECRET_OF_THE_USER", "5up3r")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    opened = open_local(tokens, "a")
    yield opened
    opened.close()


def of_worker(partition: LocalPartition, name: str) -> bytes:
    return Path(f"/proc/{partition.pid}/{name}").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody else may read a worker's environment: it is not dumpable")
def test_its_environment_is_the_operators_and_nothing_else(tokens: Tokens, partition: LocalPartition) -> None:
    found = dict(each.split(b"=", 1) for each in of_worker(partition, "environ").split(b"\0") if each)

    assert {name.decode() for name in found} == {"PATH", "LANG", *tokens.module_of("a").environment}


def test_no_argument_says_more_than_which_program_it_is(partition: LocalPartition) -> None:
    words = of_worker(partition, "cmdline").decode().rstrip("\0").split("\0")

    assert words[1:3] == ["-I", "-S"]
    assert (Path(words[3]).name, words[4].isdecimal(), len(words)) == ("__main__.py", True, 5)


def test_it_is_in_a_session_of_its_own_and_dumps_no_core(partition: LocalPartition) -> None:
    assert partition.pid is not None
    assert os.getsid(partition.pid) == partition.pid
    limits = of_worker(partition, "limits").decode()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody else may look at a worker's descriptors: it is not dumpable")
def test_it_has_no_descriptor_of_ours_but_its_channel(partition: LocalPartition, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        other = LocalPartition(partition._worker._target, Pins(PIN), clock=ManualClock(), random=RANDOM)
        names = [os.readlink(link) for link in Path(f"/proc/{other.pid}/fd").iterdir()]
        other.close()

    assert sum(name.startswith("socket:") for name in names) == 1
    assert not any(str(tmp_path / "open") in name for name in names)


def test_what_a_module_prints_reaches_nobody(tokens: Tokens, capfd: pytest.CaptureFixture[str]) -> None:
    # SoftHSM says on stderr and in the system's log what is wrong with its configuration.
    broken = NativeModule(path=tokens.module_of("a").path, environment={"SOFTHSM2_CONF": "/nowhere"})

    with pytest.raises(HsmError):
        LocalPartition(
            Target(module=broken, place="x", token_label="partition-a"), Pins(PIN), clock=ManualClock(), random=RANDOM
        )

    assert capfd.readouterr() == ("", "")


def test_the_pin_is_in_no_error_log_or_object_and_its_buffer_is_wiped(
    tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pins, said = Pins(PIN), []
    partition = open_local(tokens, "faulty", pins=pins)
    key_id = generated(partition, Suite.GCM)
    for fault in ("C_FindObjectsInit 0x30", "C_FindObjectsInit segv", "C_GenerateKey 0x63", "C_Login 0xa0"):
        tokens.fault(fault)
        try:
            partition.wrap(key_id, Suite.GCM, data_key(), AAD)
            generated(partition, Suite.GCM)
        except HsmError as error:
            said += ["".join(traceback.format_exception(error)), repr(error.diagnostics()), repr(vars(error))]
    said += [repr(partition), repr(vars(partition)), repr(vars(partition._worker)), caplog.text]
    partition.close()

    assert len(said) > 10
    assert not any(PIN in each for each in said)
    assert all(not any(buffer) for buffer in pins.given)


def test_key_bytes_are_in_no_error(tokens: Tokens) -> None:
    partition, key = open_local(tokens, "faulty"), data_key()
    material = bytes(key.expose_key_bytes())
    key_id = generated(partition, Suite.GCM)
    for fault in ("C_Encrypt 0x63", "C_Encrypt 0x30"):
        tokens.fault(fault)
        with pytest.raises(HsmError) as refused:
            partition.wrap(key_id, Suite.GCM, key, AAD)
        shown = "".join(traceback.format_exception(refused.value)) + repr(vars(refused.value))
        assert material.hex() not in shown
        assert repr(material) not in shown
    partition.close()


@pytest.mark.parametrize("content", [None, b"not a library"], ids=["absent", "not a library"])
def test_a_module_that_is_none_is_unusable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "module.so"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(HsmUnavailable) as unusable:
        _open(NativeModule(path=path, environment={}))

    assert unusable.value.fault is HsmFault.MODULE_UNUSABLE
    assert str(path) in (unusable.value.detail or "")


def test_a_library_that_is_no_module_is_unusable() -> None:
    import _ctypes

    with pytest.raises(HsmUnavailable) as unusable:
        _open(NativeModule(path=Path(_ctypes.__file__), environment={}))

    assert unusable.value.fault is HsmFault.MODULE_UNUSABLE


def test_no_token_of_that_label_is_told(tokens: Tokens) -> None:
    with pytest.raises(HsmUnavailable) as absent:
        open_local(tokens, "a", label="partition-z")

    assert absent.value.fault is HsmFault.ABSENT_OR_AMBIGUOUS
    assert "no token labelled partition-z" in (absent.value.detail or "")


def test_two_tokens_of_one_label_are_told_and_the_slot_finds_one(tokens: Tokens) -> None:
    first = open_local(tokens, "a")
    slot = first.examine().slot
    first.close()
    module = tokens.module_of("a")
    making.initialise(making.Native(module.path, module.environment), "partition-a")

    with pytest.raises(HsmUnavailable) as ambiguous:
        open_local(tokens, "a")

    assert ambiguous.value.fault is HsmFault.ABSENT_OR_AMBIGUOUS
    assert "2 tokens" in (ambiguous.value.detail or "")
    found = open_local(tokens, "a", slot=slot)
    assert found.examine().slot == slot
    found.close()


def test_the_worker_needs_nothing_but_its_own_folder_and_the_standard_library(tmp_path: Path) -> None:
    own = Path(reconciler_pkcs11.__file__).parent
    for folder in ("cryptoki", "token", "worker"):
        shutil.copytree(own / folder, tmp_path / "p" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(own / "blob.py", tmp_path / "p")
    entry = tmp_path / "p" / "worker" / "__main__.py"
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        started = [sys.executable, "-I", "-S", str(entry), str(theirs.fileno())]
        done = subprocess.run(
            started, pass_fds=(theirs.fileno(),), env={}, capture_output=True, check=False, timeout=30
        )

    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()


def test_closing_leaves_no_process_and_no_socket(tokens: Tokens) -> None:
    partition = open_local(tokens, "a")
    pid = partition.pid
    partition.close()
    del partition
    gc.collect()

    assert not Path(f"/proc/{pid}").exists()


def _open(module: NativeModule) -> LocalPartition:
    target = Target(module=module, place="x", token_label="partition-a")
    return LocalPartition(target, Pins(PIN), clock=ManualClock(), random=RANDOM, deadlines=SHORT)
