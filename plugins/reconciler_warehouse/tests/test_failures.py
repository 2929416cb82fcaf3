"""The process lives on, but one call fails: of the key service, with or without its effect, or of the disk (C3, C5).

The same request again, on the same objects, converges; what the failed one left is swept.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError, ThrottlingException
from reconciler.host.os_fs import OsFs
from reconciler.providers.keys import KeyProvider
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault, Moment
from reconciler_warehouse.tests.test_crashes import CASES, Case, check, chosen, opened
from reconciler_warehouse.tests.worlds import World


def failing_keys(world: World, fault: Fault) -> None:
    """Put the fault between this world's warehouses and their key services."""
    wrapped: dict[int, KeyProvider] = {}

    def wrap(inner: KeyProvider) -> KeyProvider:
        return wrapped.setdefault(id(inner), failing_provider(inner, fault))

    world.wrap_keys = wrap


def busy(at: int | None, moment: Moment) -> Fault:
    return Fault(lambda: ThrottlingException("come again"), at=at, moment=moment)


def full(at: int | None, moment: Moment) -> Fault:
    return disk_fault(errno.ENOSPC, at=at, moment=moment)


def with_keys(home: Path, files: Path, fault: Fault) -> World:
    world = opened(home, files)
    failing_keys(world, fault)
    return world


def with_disk(home: Path, files: Path, fault: Fault) -> World:
    world = opened(home, files)
    world.fs = FailingFs(OsFs(), fault)
    return world


def tried(case: Case, quick: Path, fault: Callable[[int | None], Fault], make: Callable[..., World]) -> None:
    files = quick / "files"
    files.mkdir(exist_ok=True)
    prepared = opened(quick / "prepared", files)
    case.prepare(prepared)
    prepared.reopen()
    counting = fault(None)
    counted = make(Path(shutil.copytree(quick / "prepared", quick / "counted")), files, counting)
    case.change(counted)
    counted.reopen()
    for at in chosen(len(counting.calls)):
        striking = fault(at)
        world = make(Path(shutil.copytree(quick / "prepared", quick / f"failed-{at}")), files, striking)
        try:
            try:
                case.change(world)
            except ReconcilerError as error:
                assert error.summary
            assert striking.struck
            case.change(world)
            check(case, world)
        finally:
            world.reopen()
        shutil.rmtree(quick / f"failed-{at}")


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
@pytest.mark.parametrize("name", [name for name in CASES if "delete" not in name])
def test_a_key_service_that_fails_once_costs_one_repetition(name: str, moment: Moment, quick: Path) -> None:
    tried(CASES[name], quick, lambda at: busy(at, moment), with_keys)


@pytest.mark.parametrize("name", CASES)
def test_a_full_disk_is_one_clear_message_and_costs_nothing(name: str, quick: Path) -> None:
    """Every error that comes out is ours, with words; a bare OSError would fail the test."""
    tried(CASES[name], quick, lambda at: full(at, Moment.PART), with_disk)
