"""A change with an error at every call, once and for ever, and the next apply without one (RELIABILITY T3).

Three kinds of calls: those of ``Fs`` (reads too), those of any provider (a warehouse's calls of its key service too),
and SQLite statements. The process lives on, so whatever cleans up runs.
"""

from __future__ import annotations

import errno
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

from reconciler.cli import refused_by_the_system
from reconciler.errors import (
    AccessDeniedException,
    ProviderUnavailable,
    ReconcilerError,
    ThrottlingException,
    Unforeseen,
)
from reconciler.host.os_fs import OsFs
from reconciler.testing.failing_fs import FailingFs, disk_fault
from reconciler.testing.fault import Fault, Moment
from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_softkms import SoftKms
from reconciler_tables import Tables
from reconciler_warehouse import Warehouse
from tests import counts
from tests.amounts import is_campaign
from tests.faults import failpoints
from tests.faults.hsm_on_disk import HsmOnDisk
from tests.faults.killing import Prepared
from tests.world import World

Run = Callable[[World, Fault], None]
EXIT_CODES = {1, 4, 6, 7}  # of an apply that could not do what was planned (CONTRACT 4)
NOT_CALLS = {"account", "region", "close", "protocol", "config_model"}
NOT_CALLS |= {"partition", "objects", "lose", "put_back", "remove", "keys_by_partition"}  # a test's own, of the HSM


@dataclass(frozen=True)
class Kind:
    """A way to fail, by name."""

    name: str
    fault: Callable[..., Fault]


def _disk(number: int, moment: Moment) -> Callable[..., Fault]:
    return lambda **when: disk_fault(number, moment=moment, **when)


def _answer(error: Callable[[], BaseException], moment: Moment) -> Callable[..., Fault]:
    return lambda **when: Fault(error, moment=moment, **when)


DISK: Sequence[Kind] = (
    Kind("ENOSPC", _disk(errno.ENOSPC, Moment.BEFORE)),
    Kind("EIO", _disk(errno.EIO, Moment.BEFORE)),
    Kind("short write, then ENOSPC", _disk(errno.ENOSPC, Moment.PART)),
    Kind("EINTR", _disk(errno.EINTR, Moment.BEFORE)),
    Kind("EIO that did it", _disk(errno.EIO, Moment.AFTER)),
)
PROVIDER: Sequence[Kind] = (
    Kind("timeout before the effect", _answer(lambda: ProviderUnavailable("no answer"), Moment.BEFORE)),
    Kind("timeout after the effect", _answer(lambda: ProviderUnavailable("no answer"), Moment.AFTER)),
    Kind("throttled", _answer(lambda: ThrottlingException("come again"), Moment.BEFORE)),
    Kind("throttled, and it was done", _answer(lambda: ThrottlingException("come again"), Moment.AFTER)),
    Kind("denied", _answer(lambda: AccessDeniedException("no, said the test"), Moment.BEFORE)),
)


@contextmanager
def faulty_providers(fault: Fault) -> Iterator[None]:
    """Every public method of every embedded provider counts as a call, also when another provider makes it."""
    with _patches((SoftKms, Warehouse, Tables, HsmOnDisk), fault):
        yield


@contextmanager
def _patches(classes: Sequence[type], fault: Fault) -> Iterator[None]:
    patches = [
        patch.object(one, name, _failing(method, fault, name))
        for one in classes
        for name, method in inspect.getmembers(one, inspect.isfunction)
        if not name.startswith("_") and name not in NOT_CALLS
    ]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in reversed(patches):
            one.stop()


def _failing(method: Callable[..., Any], fault: Fault, name: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        error = fault.count(name)
        if error is None:
            return method(*arguments, **named)
        if fault.moment is Moment.AFTER:
            method(*arguments, **named)
        raise error

    return call


def fail_at_every_disk_call(prepared: Prepared) -> None:
    """Each call of ``Fs``."""

    def run(world: World, fault: Fault) -> None:
        replace(world, fs=FailingFs(OsFs(), fault)).apply(**prepared.case.flags)

    _everywhere(prepared, DISK, run)


def fail_at_every_provider_call(prepared: Prepared) -> None:
    """Each call of a provider."""

    def run(world: World, fault: Fault) -> None:
        with faulty_providers(fault):
            world.apply(**prepared.case.flags)

    _everywhere(prepared, PROVIDER, run)


def fail_at_sqlite_statements(prepared: Prepared, stride: int) -> None:
    """Every ``stride``-th statement is given up in the middle, as for a disk that fails below SQLite."""

    def run(world: World, fault: Fault) -> None:
        with watched_sqlite(lambda sql: fault.count(sql) is not None):
            world.apply(**prepared.case.flags)

    kinds = [Kind("a statement that SQLite gives up", _answer(OSError, Moment.BEFORE))]
    # In a process of its own: a lock that could not be given back is free when its holder has ended.
    _everywhere(prepared, kinds, run, stride=stride, ends=True)


def _everywhere(prepared: Prepared, kinds: Sequence[Kind], run: Run, stride: int = 1, *, ends: bool = False) -> None:
    """At each call (or each ``stride``-th of them) once and for ever; each kind at each call in a campaign, else the
    kinds in turn."""
    counting = kinds[0].fault()
    with prepared.copied() as world:
        run(world, counting)
    stride *= prepared.stride
    sites = range(0, len(counting.calls), stride)
    counts.count("T3", call_sites=len(sites))
    for at in sites:
        for number, for_ever in enumerate((False, True)):
            chosen = kinds if is_campaign() else [kinds[(at // stride + number * 2) % len(kinds)]]
            for kind in chosen:
                when = {"at": at, "for_ever": for_ever}
                how_long = "from then on" if for_ever else "once"
                what = f"{kind.name} {how_long} at call {at}: {counting.calls[at][:80]}"
                _one(prepared, what, partial(_is_refused_in_words, kind.fault(**when), run), ends)


def _one(prepared: Prepared, what: str, fails: Callable[[World], bool], ends: bool) -> None:
    with prepared.copied() as world:
        try:
            failed = failpoints.ended(lambda: fails(world)) if ends else fails(world)
            counts.count("T3", errors=1, applies_that_failed=int(failed))
            if is_campaign():
                prepared.check_as_left(world)  # the process lived on and cleaned up: T1 and T2 look at worse
            prepared.check_recovered(world)
        except Exception as error:
            raise AssertionError(what) from error


def _is_refused_in_words(fault: Fault, run: Run, world: World) -> bool:
    """Whether the apply failed; then it says so in one of our errors, with the exit code of such."""
    try:
        try:
            run(world, fault)
        except OSError as refused:
            raise refused_by_the_system(refused) from refused
    except ReconcilerError as error:
        problems = error.diagnostics()
        assert error.exit_code in EXIT_CODES, error.exit_code
        assert all(problem.summary for problem in problems)
        assert not isinstance(error, Unforeseen)
        assert Unforeseen.code not in {problem.code for problem in problems}, [one.summary for one in problems]
        return True
    return False
