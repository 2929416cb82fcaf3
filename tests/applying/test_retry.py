"""Trying again: only where the provider says "not now", and only so often (DESIGN 4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from reconciler.applying.retry import ATTEMPTS, with_patience
from reconciler.errors import AccessDeniedException, HostError, ThrottlingException


@dataclass
class PausingClock:
    """Remembers how long it was told to wait."""

    pauses: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@dataclass
class Service:
    refusals: int
    error: Exception = field(default_factory=lambda: ThrottlingException("later"))
    calls: int = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.refusals:
            raise self.error
        return "done"


@pytest.mark.parametrize("refusals", range(ATTEMPTS))
def test_a_throttled_call_is_repeated_until_it_is_answered(refusals: int) -> None:
    clock, service = PausingClock(), Service(refusals)
    assert with_patience(service, clock) == "done"
    assert service.calls == refusals + 1
    assert len(clock.pauses) == refusals
    assert all(0 <= pause <= 10 for pause in clock.pauses)


def test_in_the_end_the_refusal_itself_is_told() -> None:
    clock, service = PausingClock(), Service(ATTEMPTS)
    with pytest.raises(ThrottlingException, match="later"):
        with_patience(service, clock)
    assert service.calls == ATTEMPTS == 6
    assert len(clock.pauses) == ATTEMPTS - 1


def test_pauses_may_grow() -> None:
    """Jittered, so a single run proves nothing; over many the later ones are longer."""
    first, last = [], []
    for _ in range(50):
        clock = PausingClock()
        with_patience(Service(ATTEMPTS - 1), clock)
        first.append(clock.pauses[0])
        last.append(clock.pauses[-1])
    assert max(first) <= 0.2 < max(last)


@pytest.mark.parametrize("error", [AccessDeniedException("no"), HostError("disk"), OSError("io")], ids=repr)
def test_after_any_other_answer_nothing_is_tried_again(error: Exception) -> None:
    clock, service = PausingClock(), Service(1, error)
    with pytest.raises(type(error)):
        with_patience(service, clock)
    assert (service.calls, clock.pauses) == (1, [])
