"""What the HSM plugin writes as files, after every legal state of a disk that lost its power (T2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import UsageError
from reconciler.providers.hsm_agent import AgentServices
from reconciler.testing.crash_states import CrashState, crash_states
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.recording_fs import RecordingFs
from reconciler_pkcs11.breaker import Breaker
from reconciler_pkcs11.certificates import read_certificate
from reconciler_pkcs11.link.serving import ServesPartition
from reconciler_pkcs11.seal import Seal
from tests import counts

HOME = Path("/home")
SEAL, CERTIFICATE, KEY = HOME / "seal.key", HOME / "agent.pem", HOME / "agent.key"


def after(fs: RecordingFs) -> Iterator[CrashState]:
    states = list(crash_states(fs))
    counts.count("T2", states_of_one_file=len(states))
    yield from states


def seal(fs: RecordingFs, process: str) -> Seal:
    return Seal(fs, SEAL, SeededRandom(process))


def test_a_seal_that_was_made_is_the_seal_and_an_unmade_one_is_made_anew() -> None:
    fs = RecordingFs(folders=[HOME])
    made = seal(fs, "first").make()
    fs.acknowledge("made")
    for state in after(fs):
        disk = state.fs()
        found = seal(disk, "second").make()
        assert "made" not in state.acknowledged or found == made
        seal(disk, "third").key(found)  # whole, whichever it is
        assert len(disk.listdir(HOME)) <= 2  # beside it at most what the power loss left, which nothing reads


def services(fs: RecordingFs) -> AgentServices:
    return AgentServices(
        fs=fs, clock=ManualClock(), random=SeededRandom("agent"), modules=dict, report=lambda line: None
    )


def make_identity(fs: RecordingFs) -> str:
    made = ServesPartition.make_agent_identity(CERTIFICATE, KEY, name="hsm1", valid_days=30, services=services(fs))
    return made.fingerprint


def test_the_identity_of_an_agent_that_was_told_is_there_and_a_half_made_one_is_never_passed_over() -> None:
    fs = RecordingFs(folders=[HOME])
    told = make_identity(fs)
    fs.acknowledge("told")
    for state in after(fs):
        if "told" in state.acknowledged:
            assert read_certificate(state.files[CERTIFICATE].decode(), "certificate").fingerprint == told
            assert state.files[KEY] == fs.files[KEY]
        if state.files.keys() & {CERTIFICATE, KEY}:
            with pytest.raises(UsageError, match="is there already"):
                make_identity(state.fs())
        else:
            make_identity(state.fs())


def test_the_folder_of_logins_is_made_anew_when_it_was_lost(tmp_path: Path) -> None:
    fs = RecordingFs(folders=[tmp_path])
    breaker = Breaker(tmp_path, fs, SeededRandom())
    with pytest.raises(FileNotFoundError), breaker.alone_at("a"):  # the lock itself is a file of the real disk
        raise AssertionError("nobody is alone in a folder that is only recorded")
    assert any(tmp_path / "logins" in state.folders for state in after(fs))
