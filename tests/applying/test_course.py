"""What a walk gives out to the threads that carry it out, and when it ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import networkx as nx
import pytest

from reconciler.applying.course import Course
from reconciler.model.address import Address
from tests.applying.test_walk import A, B, C, Walk, change, operation

FIRST, SECOND, THIRD = ((address, 0) for address in (A, B, C))


def course(*edges: tuple[Any, Any], stop: threading.Event | None = None) -> Course:
    graph: nx.DiGraph[tuple[Address, int]] = nx.DiGraph()
    graph.add_nodes_from((FIRST, SECOND, THIRD))
    graph.add_edges_from(edges)
    return Course(graph, stop or threading.Event())


def test_what_waits_is_given_out_after_what_it_waits_for() -> None:
    walk = course((FIRST, SECOND), (SECOND, THIRD))
    for node in (FIRST, SECOND, THIRD):
        assert walk.take() == node
        walk.done(node)
    assert walk.take() is None
    assert walk.left() == []


def test_whoever_waits_gets_what_another_made_ready() -> None:
    walk = course((FIRST, SECOND), (FIRST, THIRD))
    assert walk.take() == FIRST
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(walk.take) for _ in range(2)]
        walk.done(FIRST)
        assert sorted(filter(None, (each.result(timeout=10) for each in waiting))) == [SECOND, THIRD]


def test_nobody_waits_for_what_will_never_be_ready() -> None:
    walk = course((FIRST, SECOND), (SECOND, THIRD))
    assert walk.take() == FIRST
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(walk.take) for _ in range(2)]
        assert walk.failed(FIRST) == [SECOND, THIRD]
        assert [each.result(timeout=10) for each in waiting] == [None, None]


def test_a_stop_leaves_what_was_not_begun() -> None:
    stop = threading.Event()
    walk = course((FIRST, SECOND), stop=stop)
    assert walk.take() == FIRST
    stop.set()
    walk.done(FIRST)
    assert walk.take() is None
    assert walk.left() == [SECOND, THIRD]


def test_giving_up_wakes_everybody() -> None:
    walk = course((FIRST, SECOND), (FIRST, THIRD))
    assert walk.take() == FIRST
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(walk.take) for _ in range(2)]
        walk.give_up()
        assert [each.result(timeout=10) for each in waiting] == [None, None]


@pytest.mark.parametrize("parallelism", [1, 4])
def test_what_is_no_failure_of_an_operation_ends_the_walk(parallelism: int) -> None:
    class Gone(BaseException):
        """Not an Exception: a kill in a test, a KeyboardInterrupt."""

    def leave(services: object) -> None:
        raise Gone

    walk = Walk(parallelism=parallelism)
    with pytest.raises(Gone):
        walk.run([change(A, operation("a", does=leave)), change(B, operation("b"))], {B: (A,)})
    assert walk.memory.begun == ["a"]
