"""The failing provider looks like the provider that it stands before, and fails exactly when told to."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pytest

from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault, Moment


class Counter:
    def __init__(self) -> None:
        self.value = 0

    @property
    def region(self) -> str:
        return "eu-west-1"

    def add(self, number: int, *, times: int = 1) -> int:
        self.value += number * times
        return self.value


@runtime_checkable
class Adds(Protocol):
    def add(self, number: int, *, times: int = 1) -> int: ...


@runtime_checkable
class Subtracts(Protocol):
    def subtract(self, number: int) -> int: ...


def lost() -> BaseException:
    return TimeoutError("lost")


def test_it_has_the_capabilities_of_what_is_behind_it() -> None:
    failing = failing_provider(Counter(), Fault(lost))
    assert isinstance(failing, Adds)
    assert not isinstance(failing, Subtracts)
    assert failing.region == "eu-west-1"
    assert failing.add(2, times=3) == 6


@pytest.mark.parametrize(
    ("moment", "for_ever", "answers", "value"),
    [
        (Moment.BEFORE, False, [1, None, 2, 3], 3),
        (Moment.AFTER, False, [1, None, 3, 4], 4),
        (Moment.BEFORE, True, [1, None, None, None], 1),
        (Moment.AFTER, True, [1, None, None, None], 4),
    ],
)
def test_it_fails_at_the_call_that_was_named(
    moment: Moment, for_ever: bool, answers: list[int | None], value: int
) -> None:
    counter = Counter()
    fault = Fault(lost, at=1, for_ever=for_ever, moment=moment)
    failing = failing_provider(counter, fault)
    found: list[int | None] = []
    for _ in range(4):
        try:
            found.append(failing.add(1))
        except TimeoutError:
            found.append(None)
    assert found == answers
    assert counter.value == value
    assert fault.calls == ["add"] * 4
    assert fault.struck
