"""A backup and a restore, killed at any point: done, or nothing was changed; the same command ends it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore
from reconciler.providers.key_store import RestoreRequest
from reconciler.providers.keys import KeyRequest
from reconciler.testing.fakes import ManualClock
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.killing import DyingFs, killed_at
from reconciler_softkms.tests.sealed import CALLER, Estate, Filled


def killed_everywhere(
    first: Estate, place: Path, work: Callable[[SoftKms], object], check: Callable[[Estate], None], step: int
) -> int:
    """``check`` what is left after each kill; how many there were."""
    at, status = 1, -signal.SIGKILL
    while status == -signal.SIGKILL:
        here = place / str(at)
        shutil.copytree(first.folder, here)
        estate = Estate(here, ManualClock(first.clock.now()))
        status = killed_at(at, lambda dies: work(estate.open(fs=DyingFs(dies))))  # noqa: B023 - run at once
        check(estate)
        estate.close()
        shutil.rmtree(here)
        at += step
    assert status == 0
    return at // step


def test_a_backup_killed_at_any_point_leaves_the_store_as_it_was_and_no_half_backup_is_taken_for_one(
    quick_path: Path,
) -> None:
    first = Estate(quick_path / "first")
    first.folder.mkdir()
    filled = Filled(first, "file")
    first.close()

    def back_up(kms: SoftKms) -> object:
        return kms.back_up_store(kms._door.store.folder.parents[3] / "backup", with_seal_key=False)

    def check(estate: Estate) -> None:
        kms, left = estate.open(), estate.folder / "backup"
        filled.is_whole(kms)
        if left.exists():
            try:
                kms.check_backup(left)
            except DamagedStore:
                left.unlink()
        another = left if not left.exists() else left.with_name("another")
        kms.back_up_store(another, with_seal_key=False)
        kms.restore_store(RestoreRequest(source=left, replace=True, accept_older=True))
        filled.is_whole(kms)
        assert not (estate.store / ".keys.db.copy").exists()

    assert killed_everywhere(first, quick_path, back_up, check, step=2) > 15


@pytest.mark.parametrize("is_live", [True, False])
def test_a_restore_killed_at_any_point_has_restored_or_changed_nothing(quick_path: Path, is_live: bool) -> None:
    first = Estate(quick_path / "first")
    first.folder.mkdir()
    filled = Filled(first, "file")
    kms = first.open()
    kms.back_up_store(first.folder / "backup", with_seal_key=False)
    later = kms.create_key(CALLER, KeyRequest(), token="later").arn
    first.close()
    if not is_live:
        for path in first.store.glob("keys.db*"):
            path.unlink()

    def request(estate_folder: Path) -> RestoreRequest:
        return RestoreRequest(source=estate_folder / "backup", replace=True, accept_older=True)

    def restore(kms: SoftKms) -> object:
        return kms.restore_store(request(kms._door.store.folder.parents[3]))

    def check(estate: Estate) -> None:
        kms = estate.open()
        if is_live or (estate.store / "keys.db").exists():
            filled.is_whole(kms)
            assert kms.check_store().problems == ()
            assert is_live or kms.describe_keys(CALLER, [later]) == {}
        kms.restore_store(request(estate.folder))
        filled.is_whole(kms)
        assert kms.describe_keys(CALLER, [later]) == {}
        assert kms.check_store().problems == ()
        assert not (estate.store / ".restoring").exists()

    assert killed_everywhere(first, quick_path, restore, check, step=4) > 15
