"""Stopped anywhere, the same call with the same token converges; what was given up leaves nothing (I2, I10, I11)."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.errors import AccessDeniedException, ProviderUnavailable, ReconcilerError, ThrottlingException
from reconciler.providers.tables import TableDescription
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault, Moment
from reconciler.testing.table_contract import TableWorld, ada, grants_of, make, request
from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_softkms import SoftKms
from reconciler_tables import Tables, dropping
from reconciler_tables.tests.worlds import ACCOUNT, REGION, admin, opened_world, soft_kms, tables_of

Call = Callable[[Tables, "Keys"], object]


@dataclass(frozen=True)
class Keys:
    first: str
    second: str


@dataclass(frozen=True)
class Case:
    """``start`` is the key that the table has before (no table: "absent"); ``end`` the one after, by its name."""

    start: str
    end: str
    call: Call


def named(keys: Keys, name: str) -> str | None:
    return {"first": keys.first, "second": keys.second, "owned": None}[name]


def create(key: str) -> Call:
    return lambda tables, keys: tables.create_table(admin(), request(key=named(keys, key)), token="create")


def switch(key: str) -> Call:
    return lambda tables, keys: tables.update_table_encryption(
        admin(), "shop", "orders", named(keys, key), token="switch"
    )


def drop(tables: Tables, keys: Keys) -> object:
    tables.delete_table(admin(), "shop", "orders")
    return None


CASES = {
    "create under a customer key": Case("absent", "first", create("first")),
    "create under the owned key": Case("absent", "owned", create("owned")),
    "owned key to customer key": Case("owned", "first", switch("first")),
    "customer key to another": Case("first", "second", switch("second")),
    "customer key to owned key": Case("first", "owned", switch("owned")),
    "drop": Case("first", "absent", drop),
}


class Site:
    """A prepared home that each attempt begins from: a copy is quicker than making keys again."""

    def __init__(self, folder: Path, start: str) -> None:
        self._prepared = folder / "prepared"
        self._folder = folder
        self._count = 0
        with opened_world(self._prepared) as world:
            self.keys = Keys(world.key, world.other_key)
            world.tables.create_keyspace(world.user, "shop", replication="SINGLE_REGION", token="keyspace")
            if start != "absent":
                make(world, named(self.keys, start))

    def home(self) -> Path:
        self._count += 1
        home = self._folder / str(self._count)
        shutil.copytree(self._prepared, home)
        return home


def kept(home: Path, statement: str) -> list[tuple[object, ...]]:
    """What the key ring holds; nothing when there is none."""
    path = home / "tables" / ACCOUNT / REGION / "keyring.db"
    if not path.exists():
        return [(0,)]
    ring = sqlite3.connect(path)
    try:
        return ring.execute(statement).fetchall()
    finally:
        ring.close()


def check_shown(home: Path, case: Case) -> None:
    """In between there is a whole table or none: never one whose creation has not ended."""
    tables = tables_of(home, None, "look")
    shown = {table.status for table in tables.describe_tables(admin())}
    is_found = tables.find_table(admin(), token="create") is not None
    tables.close()
    assert shown <= {"ACTIVE", "UPDATING", "DELETING"}
    if case.start == "absent":
        assert is_found == (shown == {"ACTIVE"})
        assert shown <= {"ACTIVE"}


def check(home: Path, keys: Keys, case: Case, *, end: str | None = None) -> None:
    """The table is as the case ends, whole, with exactly the grants that it needs and no leftovers."""
    service = soft_kms(home, "check")
    tables = tables_of(home, service, "check")
    try:
        end = end or case.end
        world = TableWorld(
            tables=tables, keys=service, user=admin(), stranger=admin(), key=keys.first, other_key=keys.second
        )
        found: list[TableDescription] = tables.describe_tables(admin())
        granted = {name: grants_of(world, arn) for name, arn in (("first", keys.first), ("second", keys.second))}
        if end == "absent":
            assert found == []
            assert granted == {"first": [], "second": []}
            assert tables.key_uses() == []
            assert kept(home, "SELECT (SELECT count(*) FROM wrap) + (SELECT count(*) FROM inner_key)") == [(0,)]
        else:
            assert [table.status for table in found] == ["ACTIVE"]
            assert found[0].key_arn == named(keys, end)
            expected = {name: [found[0].grant_id] if name == end else [] for name in granted}
            assert granted == expected
            assert len(ada(world)) == (0 if case.start == "absent" else 4)
            assert len(tables.key_uses()) == 1
            assert kept(home, "SELECT stage FROM wrap") == [("live",)]
    finally:
        tables.close()
        service.close()


def attempt(home: Path, keys: Keys, call: Call, fault: Fault | None = None, seed: str = "attempt") -> None:
    """One process's life: new providers, the call, and the end of them whatever happens."""
    service = soft_kms(home, seed)
    tables = tables_of(home, service if fault is None else failing_provider(service, fault), seed)
    try:
        call(tables, keys)
    finally:
        tables.close()
        service.close()


def lost() -> ReconcilerError:
    return ProviderUnavailable("the key service did not answer")


def throttled() -> ReconcilerError:
    return ThrottlingException("come again later")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
@pytest.mark.parametrize("error", [lost, throttled])
def test_a_key_service_that_does_not_answer_is_no_harm(
    folder: Path, case: Case, moment: Moment, error: Callable[[], ReconcilerError]
) -> None:
    site = Site(folder, case.start)
    counting = Fault(error)
    attempt(site.home(), site.keys, case.call, counting)
    struck = [name for name in counting.calls if name not in {"account", "region"}]
    assert struck
    for at in range(len(counting.calls)):
        home = site.home()
        fault = Fault(error, at=at, for_ever=True, moment=moment)
        with pytest.raises((ProviderUnavailable, ThrottlingException)):
            attempt(home, site.keys, case.call, fault)
        attempt(home, site.keys, case.call, seed="again")
        check(home, site.keys, case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_refusal_takes_everything_back(folder: Path, case: Case) -> None:
    site = Site(folder, case.start)
    counting = Fault(lost)
    attempt(site.home(), site.keys, case.call, counting)
    for at, name in enumerate(counting.calls):
        home = site.home()
        fault = Fault(lambda: AccessDeniedException("no, said the test"), at=at)
        with pytest.raises(ReconcilerError, match=r"may not|no, said"):
            attempt(home, site.keys, case.call, fault)
        if name != "retire_grant":  # then it was taken already, and the repeated call retires
            check(home, site.keys, case, end=case.start)
        attempt(home, site.keys, case.call, seed="again")
        check(home, site.keys, case)


def statements_of(home: Path, keys: Keys, call: Call) -> int:
    count = 0

    def on_statement(_: str) -> bool:
        nonlocal count
        count += 1
        return False

    with watched_sqlite(on_statement):
        attempt(home, keys, call)
    return count


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_error_at_any_sqlite_statement_is_no_harm(folder: Path, case: Case, for_ever: bool) -> None:
    site = Site(folder, case.start)
    total = statements_of(site.home(), site.keys, case.call)
    failed = 0
    for at in range(int(for_ever), total, 3 if for_ever else 2):
        home, seen = site.home(), 0

        def on_statement(_: str, at: int = at) -> bool:
            nonlocal seen
            seen += 1
            return seen - 1 == at or (for_ever and seen > at)

        with watched_sqlite(on_statement), suppress(ReconcilerError):
            attempt(home, site.keys, case.call)
            failed -= 1
        failed += 1
        check_shown(home, case)
        attempt(home, site.keys, case.call, seed="again")
        check(home, site.keys, case)
        shutil.rmtree(home)
    assert failed > total / 8  # some statements (PRAGMAs, BEGIN) end before they can be stopped


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_kill_9_between_any_two_sqlite_statements_is_no_harm(folder: Path, case: Case) -> None:
    site = Site(folder, case.start)
    total = statements_of(site.home(), site.keys, case.call)
    killed = 0
    for at in range(1, total, 5):
        home = site.home()
        child = os.fork()
        if child == 0:
            seen = 0

            def on_statement(_: str, at: int = at) -> bool:
                nonlocal seen
                seen += 1
                if seen > at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return False

            with watched_sqlite(on_statement):
                attempt(home, site.keys, case.call)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        attempt(home, site.keys, case.call, seed="again")
        check(home, site.keys, case)
        shutil.rmtree(home)
    assert killed > total / 8


AFTERWARDS: dict[str, tuple[Call, str]] = {
    "it is dropped": (drop, "absent"),
    "it is made under another token": (
        lambda tables, keys: tables.create_table(admin(), request(key=keys.second), token="another"),
        "second",
    ),
    "its keyspace is removed": (lambda tables, keys: tables.delete_keyspace(admin(), "shop"), "absent"),
}


@pytest.mark.parametrize(("call", "end"), AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_a_creation_that_was_given_up_leaves_nothing(folder: Path, call: Call, end: str) -> None:
    case = CASES["create under a customer key"]
    site = Site(folder, case.start)
    counting = Fault(lost)
    attempt(site.home(), site.keys, case.call, counting)
    for at in range(len(counting.calls)):
        for moment in (Moment.BEFORE, Moment.AFTER):
            home = site.home()
            with pytest.raises(ProviderUnavailable):
                attempt(home, site.keys, case.call, Fault(lost, at=at, for_ever=True, moment=moment))
            attempt(home, site.keys, lambda tables, _: _nothing_to_see(tables), seed="look")
            attempt(home, site.keys, call, seed="afterwards")
            check(home, site.keys, case, end=end)


def _nothing_to_see(tables: Tables) -> None:
    assert tables.describe_tables(admin()) == []
    assert tables.find_table(admin(), token="create") is None


@pytest.mark.parametrize("target", ["first", "owned"])
def test_a_change_that_was_given_up_is_taken_back_by_the_next(folder: Path, target: str) -> None:
    case = CASES["customer key to another"]
    site = Site(folder, case.start)
    counting = Fault(lost)
    attempt(site.home(), site.keys, case.call, counting)
    for at in range(len(counting.calls)):
        home = site.home()
        with pytest.raises(ProviderUnavailable):
            attempt(home, site.keys, case.call, Fault(lost, at=at, for_ever=True, moment=Moment.AFTER))
        attempt(home, site.keys, switch(target), seed="afterwards")
        check(home, site.keys, case, end=target)


@pytest.mark.parametrize("stopped_at", ["re_encrypt", "decrypt", "retire_grant"])
def test_a_change_that_is_under_way_shows_and_counts_for_both_keys(folder: Path, stopped_at: str) -> None:
    case = CASES["customer key to another"]
    site = Site(folder, case.start)
    counting = Fault(lost)
    attempt(site.home(), site.keys, case.call, counting)
    home = site.home()
    with pytest.raises(ProviderUnavailable):
        attempt(home, site.keys, case.call, Fault(lost, at=counting.calls.index(stopped_at), for_ever=True))
    service: SoftKms = soft_kms(home, "look")
    tables = tables_of(home, service, "look")
    assert sorted(use.key_arn for use in tables.key_uses()) == sorted([site.keys.first, site.keys.second])
    (found,) = tables.describe_tables(admin())
    assert found.status == "UPDATING"
    assert found.key_arn == (site.keys.second if stopped_at == "retire_grant" else site.keys.first)
    tables.close()
    service.close()


def test_the_keys_of_a_table_whose_drop_was_killed_at_its_end_are_cleared_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No later call repeats the drop: the table is gone already, and its keys with nobody who asks for its name."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    site = Site(folder, "first")
    home = site.home()
    with monkeypatch.context() as armed, pytest.raises(KeyboardInterrupt):
        armed.setattr(dropping, "_forget", killed)
        attempt(home, site.keys, drop)
    assert kept(home, "SELECT count(*) FROM wrap") == [(1,)]
    attempt(home, site.keys, lambda tables, _: tables.clear_up(), seed="next")
    check(home, site.keys, CASES["drop"])
