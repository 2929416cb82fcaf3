"""The queue of a change: whoever works, dies or is late, each segment is moved once, and all are (RE9)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from reconciler.host.clock import SystemRandom
from reconciler.host.process import Process
from reconciler.testing.fakes import ManualClock
from reconciler_warehouse.catalogue import SCHEMA
from reconciler_warehouse.online import leases
from reconciler_warehouse.online.leases import LEASE, START, Portion, Target
from reconciler_warehouse.online.throttle import Throttle
from tests.amounts import amount

SEGMENTS = 7
TARGET = Target(operation="change", cluster="c", dek="new")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def queue_of(count: int = SEGMENTS) -> sqlite3.Connection:
    catalogue = sqlite3.connect(":memory:", isolation_level=None)
    catalogue.executescript(SCHEMA)
    catalogue.execute(
        """INSERT INTO cluster (uid, name, token, status, node_type, nodes, database, created_at, dek)
           VALUES ('c', 'sales', 't', 'resizing', 'ra3.large', 2, 'dev', '', 'new')"""
    )
    for number in range(count):
        table = f"table{number % 2}"
        catalogue.execute("INSERT OR IGNORE INTO data_table VALUES (?, 'c', ?, 1)", (table, table))
        catalogue.execute("INSERT INTO key_table VALUES (?, ?, 1, 'old', x'00')", (number, f"s{number}"))
        catalogue.execute(
            """INSERT INTO segment (uid, data_table, ordinal, file, key_table, rows, bytes, next_generation)
               VALUES (?, ?, ?, ?, ?, 1, 10, 2)""",
            (f"s{number}", table, number, f"f{number}", number),
        )
    return catalogue


@pytest.fixture
def queue() -> Iterator[sqlite3.Connection]:
    made = queue_of()
    yield made
    made.close()


def taken(portion: Portion) -> list[str]:
    return [segment.uid for segment, _ in portion.segments]


def take(queue: sqlite3.Connection, worker: str, now: datetime = NOW, most: int = 3, most_bytes: int = 1000) -> Portion:
    return leases.take(queue, TARGET, worker, now, START, most=most, most_bytes=most_bytes)


def named(number: int, *, pid: int = 0, host: str = "another host") -> str:
    """A worker of a process that nobody here can see, or of one here."""
    me = Process.current()
    return f"{host}|{me.boot_id}|{pid}|1|{number}"


def test_what_one_has_no_other_gets_until_its_lease_runs_out(queue: sqlite3.Connection) -> None:
    first = taken(take(queue, named(1)))
    second = taken(take(queue, named(2)))
    assert len(first) == len(second) == 3
    assert set(first).isdisjoint(second)
    late = NOW + LEASE + timedelta(seconds=1)
    leases.renew(queue, named(2), NOW + LEASE)
    assert set(taken(take(queue, named(3), late, most=9))) == {*first, "s6", "s5", "s4"} - set(second)


def test_more_than_so_many_bytes_are_not_taken_at_once_but_one_segment_always_is(queue: sqlite3.Connection) -> None:
    assert len(taken(take(queue, named(1), most_bytes=20))) == 2
    assert len(taken(take(queue, named(2), most_bytes=1))) == 1


def test_each_time_a_segment_is_taken_it_is_written_under_another_name(queue: sqlite3.Connection) -> None:
    seen = [take(queue, named(one), NOW + one * 2 * LEASE, most=1).segments[0] for one in range(3)]
    assert [(segment.uid, generation) for segment, generation in seen] == [("s0", 2), ("s0", 3), ("s0", 4)]
    assert queue.execute("SELECT attempt FROM lease").fetchall() == [(3,)]


def test_a_process_that_is_seen_to_be_gone_lets_go_at_once(queue: sqlite3.Connection) -> None:
    gone = named(1, pid=2**22 + 7, host=Process.current().host)
    alive = leases.worker_name(SystemRandom())
    assert f"|{os.getpid()}|" in alive
    lost = taken(take(queue, gone))
    kept = taken(take(queue, alive))
    assert kept == lost
    assert set(kept).isdisjoint(taken(take(queue, named(3), most=9)))


def test_a_search_goes_on_behind_the_last_one(queue: sqlite3.Connection) -> None:
    first = take(queue, named(1), most=2)
    second = leases.take(queue, TARGET, named(1), NOW, first.last, most=2, most_bytes=1000)
    assert first.last < (second.segments[0][0].table, second.segments[0][0].ordinal)
    assert take(queue, named(2), most=9).last > second.last
    assert take(queue, named(3)).last == START


def test_looking_for_more_reads_no_segment_twice(queue: sqlite3.Connection) -> None:
    """By the index over table and ordinal, from where the last portion ended."""
    statements: list[str] = []
    queue.set_trace_callback(statements.append)
    take(queue, named(1))
    queue.set_trace_callback(None)
    (looked,) = [one for one in statements if "ORDER BY s.data_table" in one]
    plan = [row[3] for row in queue.execute(f"EXPLAIN QUERY PLAN {looked}")]
    assert any("segment_of_table" in step and "SEARCH s" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


class Queue(RuleBasedStateMachine):
    """Workers that take, renew, finish, die and are late, and a clock; ``moved`` counts the swaps that went through."""

    def __init__(self) -> None:
        super().__init__()
        self.catalogue = queue_of()
        self.now = NOW
        self.has: dict[int, Portion] = {}
        self.until: dict[int, datetime] = {}
        self.moved: dict[str, int] = {}

    def teardown(self) -> None:
        while (self._take(99, most=9)).segments:  # whoever comes at last finds all that is left
            self._swap(99)
        self.now += 2 * LEASE
        while (self._take(99, most=9)).segments:
            self._swap(99)
        assert leases.left(self.catalogue, TARGET) == (0, 0)
        assert self.moved == {f"s{number}": 1 for number in range(SEGMENTS)}
        self.catalogue.close()

    def _take(self, worker: int, most: int) -> Portion:
        portion = leases.take(self.catalogue, TARGET, named(worker), self.now, START, most=most, most_bytes=1000)
        self.has[worker] = portion
        self.until[worker] = self.now + LEASE
        return portion

    def _swap(self, worker: int) -> None:
        for segment, generation in self.has.pop(worker).segments:
            number = 1000 * generation + int(segment.uid[1:])
            self.catalogue.execute(
                "INSERT INTO key_table VALUES (?, ?, ?, 'new', x'01')", (number, segment.uid, generation)
            )
            swapped = self.catalogue.execute(
                "UPDATE segment SET key_table = ? WHERE uid = ? AND key_table = ?",
                (number, segment.uid, segment.key_table),
            )
            if swapped.rowcount:
                self.moved[segment.uid] = self.moved.get(segment.uid, 0) + 1
        leases.release(self.catalogue, named(worker))

    @rule(worker=st.integers(1, 3), most=st.integers(1, 4))
    def takes(self, worker: int, most: int) -> None:
        if worker not in self.has:
            before = {
                one for other, portion in self.has.items() if self.until[other] > self.now for one in taken(portion)
            }
            assert before.isdisjoint(taken(self._take(worker, most)))

    @rule(worker=st.integers(1, 3))
    def renews(self, worker: int) -> None:
        held = {
            uid for (uid,) in self.catalogue.execute("SELECT segment FROM lease WHERE worker = ?", (named(worker),))
        }
        leases.renew(self.catalogue, named(worker), self.now)
        if worker in self.has and held == set(taken(self.has[worker])):
            self.until[worker] = self.now + LEASE

    @rule(worker=st.integers(1, 3))
    def finishes(self, worker: int) -> None:
        if worker in self.has:
            self._swap(worker)

    @rule(worker=st.integers(1, 3))
    def dies(self, worker: int) -> None:
        self.has.pop(worker, None)  # its rows stay

    @rule(seconds=st.integers(1, 90))
    def time_goes_on(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def none_is_moved_twice(self) -> None:
        assert all(count == 1 for count in self.moved.values())
        count, _ = leases.left(self.catalogue, TARGET)
        assert count + len(self.moved) == SEGMENTS


TestQueue: Any = Queue.TestCase
TestQueue.settings = settings(max_examples=amount(15, 1500), stateful_step_count=amount(20, 60), deadline=None)


def test_a_throttle_lets_through_no_more_than_its_rate_whatever_the_threads() -> None:
    clock = ManualClock()
    start = clock.now()
    throttle = Throttle(clock, 100)
    for _ in range(20):
        throttle.spend(50)
    assert (clock.now() - start).total_seconds() == pytest.approx(9.5)
    clock.advance(seconds=60)  # a pause is not saved up
    start = clock.now()
    for _ in range(3):
        throttle.spend(100)
    assert (clock.now() - start).total_seconds() == pytest.approx(2)


def test_without_a_rate_nobody_waits() -> None:
    clock = ManualClock()
    start = clock.now()
    Throttle(clock, None).spend(1 << 40)
    assert clock.now() == start


def test_another_change_does_not_count_as_having_it(queue: sqlite3.Connection) -> None:
    """Leases of a change that is over keep nobody from the next one."""
    take(queue, named(1), most=9)
    other = replace(TARGET, operation="next", dek="newest")
    found = leases.take(queue, other, named(2), NOW, START, most=9, most_bytes=1000)
    assert len(found.segments) == SEGMENTS
    assert {attempt for (attempt,) in queue.execute("SELECT attempt FROM lease")} == {1}
