"""Connections that wait without a request: so many, and the oldest of whoever has the most goes first."""

from __future__ import annotations

import asyncio
from typing import cast

from reconciler.serving.waiting import Waiting


class Connection:
    def __init__(self) -> None:
        self.is_closed = False

    def abort(self) -> None:
        self.is_closed = True


def opened(waiting: Waiting, peer: str, count: int) -> list[Connection]:
    made = [Connection() for _ in range(count)]
    for one in made:
        waiting.enter(peer, cast("asyncio.Transport", one))
    return made


def test_the_oldest_goes_where_there_are_too_many() -> None:
    waiting = Waiting(3)
    made = opened(waiting, "10.0.0.1", 5)
    assert [one.is_closed for one in made] == [True, True, False, False, False]


def test_who_has_the_most_loses_one_and_nobody_else() -> None:
    waiting = Waiting(10)
    few = opened(waiting, "10.0.0.1", 2)
    many = opened(waiting, "10.0.0.2", 50)
    more = opened(waiting, "10.0.0.3", 1)
    assert not any(one.is_closed for one in [*few, *more])
    assert [one.is_closed for one in many] == [True] * 43 + [False] * 7


def test_who_waits_no_more_does_not_count_and_is_not_closed() -> None:
    waiting = Waiting(2)
    busy = opened(waiting, "10.0.0.1", 2)
    for one in busy:
        waiting.leave("10.0.0.1", cast("asyncio.Transport", one))
        waiting.leave("10.0.0.1", cast("asyncio.Transport", one))
    late = opened(waiting, "10.0.0.1", 2)
    again = cast("asyncio.Transport", late[0])
    waiting.enter("10.0.0.1", again)
    assert not any(one.is_closed for one in [*busy, *late])
