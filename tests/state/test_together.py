"""Group commit: durable before anybody is answered, one's refusal is nobody else's, a failed commit is everybody's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from reconciler.errors import HostError
from reconciler.state.together import Together


@dataclass
class Log:
    """A store of lines: ``durable`` what commits left. A commit waits for ``gate``, and fails when ``fails``."""

    durable: list[str] = field(default_factory=list)
    commits: int = 0
    fails: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    turn: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def transaction(self) -> Iterator[list[str]]:
        lines: list[str] = []
        self.begun.set()
        yield lines
        assert self.gate.wait(10)
        if self.fails:
            raise HostError("no space left")
        self.commits += 1
        self.durable += lines

    def together(self) -> Together[list[str]]:
        return Together(self.turn, self.transaction)


def adding(line: str) -> Callable[[list[str]], str]:
    def work(lines: list[str]) -> str:
        if line == "refused":
            raise ValueError(line)
        lines.append(line)
        return f"{line} is in"

    return work


def written(log: Log, lines: list[str]) -> list[str]:
    """What each of several threads was told: the first begins alone, the others wait together for its commit."""
    together = log.together()
    seen: list[list[str]] = []

    def write(line: str) -> str:
        try:
            told = together.write(adding(line))
        except (ValueError, HostError) as error:
            return type(error).__name__
        seen.append(list(log.durable))
        assert line in log.durable, "answered before it was durable"
        return str(told)

    with ThreadPoolExecutor(len(lines)) as pool:
        first = pool.submit(write, lines[0])
        assert log.begun.wait(10)
        rest = [pool.submit(write, line) for line in lines[1:]]
        while len(together._waiting) < len(rest):
            threading.Event().wait(0.001)
        log.gate.set()
        return [future.result(10) for future in (first, *rest)]


def test_what_waits_is_committed_together() -> None:
    log = Log()
    assert written(log, ["a", "b", "c", "d"]) == ["a is in", "b is in", "c is in", "d is in"]
    assert (sorted(log.durable), log.commits) == (["a", "b", "c", "d"], 2)


def test_one_that_is_refused_does_not_keep_the_others_out() -> None:
    log = Log()
    assert written(log, ["a", "b", "refused", "d"]) == ["a is in", "b is in", "ValueError", "d is in"]
    assert sorted(log.durable) == ["a", "b", "d"]


def test_a_commit_that_fails_is_told_to_everybody_in_it_and_not_tried_again() -> None:
    log = Log(fails=True)
    assert written(log, ["a", "b", "c"]) == ["HostError"] * 3
    assert (log.durable, log.commits) == ([], 0)


@pytest.mark.parametrize("answer", [None, 0, ""], ids=repr)
def test_an_answer_of_nothing_is_an_answer(answer: object) -> None:
    log = Log()
    log.gate.set()
    assert log.together().write(lambda lines: answer) == answer
