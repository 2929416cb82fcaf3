"""When a fault strikes: at which call, how often, and before or after that call's effect (RELIABILITY C3, C5)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum


class Moment(StrEnum):
    """What the failing call has done when it raises."""

    BEFORE = "before"  # nothing
    PART = "part"  # part of it, where a call can do part: half of a write
    AFTER = "after"  # everything, and nobody was told


class Fault:
    """Counts calls and says which of them fail: the one numbered ``at`` (from 0), or with ``for_ever`` all from there.

    ``at`` None counts only. ``calls`` lists the names of all calls so far, in order: a first run without a fault tells
    a test how many places there are to fail.
    """

    def __init__(
        self,
        error: Callable[[], BaseException],
        *,
        at: int | None = None,
        for_ever: bool = False,
        moment: Moment = Moment.BEFORE,
    ) -> None:
        self._error = error
        self._at = at
        self._for_ever = for_ever
        self._lock = threading.Lock()
        self.moment = moment
        self.calls: list[str] = []

    @property
    def struck(self) -> bool:
        """Whether the failing call was reached."""
        return self._at is not None and len(self.calls) > self._at

    def count(self, call: str) -> BaseException | None:
        """Note one call; the error that it shall raise, or None."""
        with self._lock:
            number = len(self.calls)
            self.calls.append(call)
        if self._at is None or number < self._at or (number > self._at and not self._for_ever):
            return None
        return self._error()
