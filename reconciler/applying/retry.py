"""Trying again, only where the provider says "not now" (DESIGN 4): never after any other answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from reconciler.errors import ThrottlingException
from reconciler.model.ports import Clock

R = TypeVar("R")
ATTEMPTS: Final = 6


def with_patience(call: Callable[[], R], clock: Clock) -> R:
    """The call's answer; a throttled one is repeated with growing, jittered pauses, six times in all."""
    try:
        return call()
    except ThrottlingException as error:
        throttled = [error]

    def again() -> R:
        if throttled:
            raise throttled.pop()  # the first attempt, already made: most steps need no second and no machinery
        return call()

    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception_type(ThrottlingException),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        sleep=clock.sleep,
        reraise=True,
    )
    return retrying(again)
