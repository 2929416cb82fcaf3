"""An access key that was made or revoked is so after a power loss, and is never half there (T2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.serving.credentials import Credential
from reconciler.serving.kept_credentials import KeptCredentials
from reconciler.testing.crash_states import CrashState, crash_states
from reconciler.testing.fakes import SeededRandom
from reconciler.testing.recording_fs import RecordingFs
from tests import counts

HOME = Path("/home")
ONE = Credential(
    access_key_id="AKIA" + "A" * 16,
    secret="a secret of forty characters, as they are",
    principal="arn:aws:iam::111122223333:role/app",
    created=datetime(2026, 1, 5, tzinfo=UTC),
)
OTHER = replace(ONE, access_key_id="AKIA" + "B" * 16)


def kept(fs: RecordingFs) -> KeptCredentials:
    return KeptCredentials(fs, SeededRandom("credentials"), HOME, HmacSha256(DataKey(bytes(32))))


def after(fs: RecordingFs) -> Iterator[CrashState]:
    states = list(crash_states(fs))
    counts.count("T2", states_of_one_file=len(states))
    yield from states


def found(state: CrashState) -> set[str]:
    """What the next process finds: whole, or not at all."""
    store = kept(state.fs())
    opened = {one.access_key_id for one in store.listed() if isinstance(one, Credential)}
    assert {name for name in (ONE.access_key_id, OTHER.access_key_id) if store.find(name)} == opened
    return opened


def test_one_that_was_made_is_there() -> None:
    fs = RecordingFs(folders=[HOME])
    kept(fs).keep(ONE)
    fs.acknowledge("first")
    kept(fs).keep(OTHER)
    fs.acknowledge("second")
    for state in after(fs):
        there = found(state)
        assert there <= {ONE.access_key_id, OTHER.access_key_id}
        assert "first" not in state.acknowledged or ONE.access_key_id in there
        assert "second" not in state.acknowledged or there == {ONE.access_key_id, OTHER.access_key_id}


def test_one_that_was_revoked_is_gone() -> None:
    before = RecordingFs(folders=[HOME])
    kept(before).keep(ONE)
    kept(before).keep(OTHER)
    before.acknowledge("made")
    *_, whole = (state for state in crash_states(before) if state.acknowledged)
    fs = whole.fs()
    kept(fs).revoke(ONE.access_key_id)
    fs.acknowledge("revoked")
    for state in after(fs):
        there = found(state)
        assert OTHER.access_key_id in there
        assert "revoked" not in state.acknowledged or ONE.access_key_id not in there
