"""A folder that a person is given appears whole or not at all, whatever a loss of power leaves of it (T2, I15)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.host import durable
from reconciler.host.new_folder import new_folder
from reconciler.host.os_fs import OsFs
from reconciler.testing.crash_states import crash_states
from reconciler.testing.recording_fs import RecordingFs
from tests.counts import count

WHOLE = {"flights/0.parquet": b"rows of it " * 200, "flights/1.parquet": b"more of them " * 90}


class OnDiskAndRecorded:
    """Each call is made to a real disk, where locks are taken, and recorded."""

    def __init__(self, folders: list[Path]) -> None:
        self._disk = OsFs()
        self.recorded = RecordingFs(folders=folders)
        self._handles: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            recorded = [self._handles.get(one, one) if isinstance(one, int) else one for one in arguments]
            said = getattr(self.recorded, name)(*recorded)
            answer = getattr(self._disk, name)(*arguments)
            if name == "create":
                self._handles[answer] = said
            return answer

        return call


def test_whatever_is_left_of_it_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    fs = OnDiskAndRecorded([tmp_path])
    target = tmp_path / "flights-2013"
    with new_folder(fs, target) as making:
        fs.mkdir(making / "flights")
        for name, content in WHOLE.items():
            durable.write_new(fs, making / name, [content])
    fs.recorded.acknowledge("exported")
    assert {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()} == WHOLE

    seen = set()
    for state in crash_states(fs.recorded):
        found = {str(path.relative_to(target)): one for path, one in state.files.items() if target in path.parents}
        is_there = target in state.folders
        assert found == (WHOLE if is_there else {})
        assert is_there or not state.acknowledged
        seen.add((is_there, bool(state.acknowledged)))
        count("T2", states_of_one_file=1)
    assert seen == {(False, False), (True, False), (True, True)}


def test_after_an_error_nothing_of_it_is_left(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(OsFs(), tmp_path / "out") as making:
        durable.write_new(OsFs(), making / "half", [b"x"])
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
