"""No more than so many bytes a second, whatever the number of threads: a change leaves the disk to those who ask."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from reconciler.model.ports import Clock

_LONGEST: Final = 0.5  # seconds of one wait: whoever waits looks up now and then


class Throttle:
    """Hands out bytes at a rate; None: as many as are asked for. A pause is not saved up for a burst."""

    def __init__(self, clock: Clock, bytes_per_second: int | None) -> None:
        self._clock = clock
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at: datetime | None = None

    def spend(self, count: int) -> float:
        """Wait until ``count`` bytes may be moved; for how many seconds."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = self._clock.now()
            start = max(now, self._free_at or now)
            self._free_at = start + timedelta(seconds=count / self._rate)
        while (wait := (start - self._clock.now()).total_seconds()) > 0:
            self._clock.sleep(min(wait, _LONGEST))
        return (self._clock.now() - now).total_seconds()
