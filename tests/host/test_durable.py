"""Whole files survive a power loss at any moment and an error at any call (RELIABILITY T2, T3, T17)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.host import durable
from reconciler.host.os_fs import OsFs
from reconciler.model.ports import Fs
from reconciler.testing.crash_states import CrashState, crash_states
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.fakes import SeededRandom
from reconciler.testing.fault import Moment
from reconciler.testing.recording_fs import RecordingFs

HOME = Path("/home")
TARGET = HOME / "plan"
OLD = b"old" * 300
NEW = b"new content" * 200  # five sectors, in three writes


def is_hidden(path: Path) -> bool:
    return path.name.startswith(".")


def check_replaced(state: CrashState) -> None:
    content = state.files.get(TARGET)
    assert content in (OLD, NEW), "torn or lost"
    if state.acknowledged:
        assert content == NEW, "acknowledged content lost"


def check_written(state: CrashState) -> None:
    if state.acknowledged:
        assert state.files.get(TARGET) == NEW, "acknowledged content lost"


def good_replace(fs: Fs) -> None:
    durable.replace(fs, TARGET, NEW, SeededRandom())


def good_write(fs: Fs) -> None:
    durable.write_new(fs, TARGET, [NEW[:700], NEW[700:701], NEW[701:]])


def states_of(write: Callable[[Fs], None], files: dict[Path, bytes]) -> list[CrashState]:
    fs = RecordingFs(files, folders=[HOME])
    write(fs)
    fs.acknowledge("written")
    return list(crash_states(fs))


def test_a_replaced_file_is_the_old_or_the_new_and_after_return_the_new() -> None:
    states = states_of(good_replace, {TARGET: OLD})
    assert {state.files[TARGET] for state in states} == {OLD, NEW}
    assert len(states) > 40
    for state in states:
        check_replaced(state)


def test_a_new_file_is_whole_once_the_call_has_returned() -> None:
    states = states_of(good_write, {})
    assert len(states) > 40
    for state in states:
        check_written(state)


def test_a_replacement_can_be_cut_again_and_again_and_the_next_one_still_works() -> None:
    for state in states_of(good_replace, {TARGET: OLD}):
        fs = state.fs()
        durable.replace(fs, TARGET, NEW, SeededRandom("second"))
        fs.acknowledge("again")
        for second in crash_states(fs):
            assert second.files.get(TARGET) in (OLD, NEW)
            if second.acknowledged:
                assert second.files[TARGET] == NEW


def test_a_new_folder_is_durable_with_its_parents_before_what_is_in_it_is_promised() -> None:
    fs = RecordingFs()
    durable.make_folder(fs, Path("/home/keys/eu"))
    durable.write_new(fs, Path("/home/keys/eu/ring"), [b"wrapped"])
    fs.acknowledge("written")
    promised = [state for state in crash_states(fs) if state.acknowledged]
    assert promised
    for state in promised:
        assert state.files == {Path("/home/keys/eu/ring"): b"wrapped"}


def write_to(fs: Fs, path: Path, *, sync: bool = True) -> None:
    handle = fs.create(path)
    fs.write(handle, NEW)
    if sync:
        fs.fsync(handle)
    fs.close(handle)


def no_fsync_of_the_file(fs: Fs) -> None:
    write_to(fs, HOME / ".temporary", sync=False)
    fs.rename(HOME / ".temporary", TARGET)
    fs.fsync_dir(HOME)


def no_fsync_of_the_folder(fs: Fs) -> None:
    write_to(fs, HOME / ".temporary")
    fs.rename(HOME / ".temporary", TARGET)


def rename_before_fsync(fs: Fs) -> None:
    handle = fs.create(HOME / ".temporary")
    fs.write(handle, NEW)
    fs.rename(HOME / ".temporary", TARGET)
    fs.fsync(handle)
    fs.close(handle)
    fs.fsync_dir(HOME)


def removed_before_it_is_written(fs: Fs) -> None:
    fs.unlink(TARGET)
    write_to(fs, TARGET)
    fs.fsync_dir(HOME)


def fsync_of_another_folder(fs: Fs) -> None:
    write_to(fs, HOME / ".temporary")
    fs.rename(HOME / ".temporary", TARGET)
    fs.fsync_dir(Path("/"))


PLANTED = [
    no_fsync_of_the_file,
    no_fsync_of_the_folder,
    rename_before_fsync,
    removed_before_it_is_written,
    fsync_of_another_folder,
]


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__)
def test_the_harness_catches_the_planted_bug(bug: Callable[[Fs], None]) -> None:
    caught = 0
    for state in states_of(bug, {TARGET: OLD}):
        try:
            check_replaced(state)
        except AssertionError:
            caught += 1
    assert caught, f"{bug.__name__} was not found"


def test_the_harness_catches_a_folder_that_is_not_durable() -> None:
    fs = RecordingFs()
    fs.mkdir(HOME)
    durable.write_new(fs, TARGET, [NEW])
    fs.acknowledge("written")
    assert any(state.acknowledged and TARGET not in state.files for state in crash_states(fs))


ERRNOS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT]
PLACES = [(number, moment, ever) for number in ERRNOS for moment in Moment for ever in (False, True)]


@pytest.mark.parametrize(("number", "moment", "for_ever"), PLACES)
@pytest.mark.parametrize(("write", "before"), [(good_write, {}), (good_replace, {TARGET: OLD})])
def test_an_error_at_any_call_leaves_no_file_or_a_whole_one_and_no_handle(
    write: Callable[[Fs], None], before: dict[Path, bytes], number: int, moment: Moment, for_ever: bool
) -> None:
    counting = disk_fault(number)
    write(FailingFs(RecordingFs(before, [HOME]), counting))
    for at in range(len(counting.calls)):
        inner = RecordingFs(before, [HOME])
        fault = disk_fault(number, at=at, for_ever=for_ever, moment=moment)
        with pytest.raises(OSError) as caught:
            write(FailingFs(inner, fault))
        assert caught.value.errno == number
        after = inner.files.get(TARGET)
        whole = (None, NEW) if not before else (OLD, NEW)
        can_clean_up = not for_ever and not (moment is Moment.AFTER and fault.calls[at] == "create")
        if can_clean_up or before:
            assert after in whole, (at, fault.calls)
        if can_clean_up:
            assert not [path for path in inner.files if is_hidden(path)], (at, fault.calls)
        if not (moment is Moment.AFTER and fault.calls[at] == "create"):  # that handle never reached anybody
            assert inner.open_handles == 0
        # Whatever was left, the same call by the next process works.
        again = RecordingFs(inner.files, [HOME])
        if before:
            durable.replace(again, TARGET, NEW, SeededRandom("next run"))
        elif after is None:
            good_write(again)
        assert not before or again.files[TARGET] == NEW


def test_a_file_is_read_whole_also_while_it_is_replaced(tmp_path: Path) -> None:
    fs = OsFs()
    path = tmp_path / "state"
    durable.write_new(fs, path, [b"x" * 3_000_000])

    class Replacing(OsFs):
        def open(self, path: Path) -> int:
            handle = super().open(path)
            durable.replace(OsFs(), path, b"short", SeededRandom())
            return handle

    assert durable.read(Replacing(), path) == b"x" * 3_000_000
    assert durable.read(fs, path) == b"short"
