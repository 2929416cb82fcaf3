"""How often each client may ask: so many a second, and a few seconds' worth at once."""

from __future__ import annotations

import threading
import time
from typing import Final

_SAVED_SECONDS: Final = 2.0


class Rates:
    """``rate`` requests a second for each client."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # of each client: how many, when

    def wait_for(self, client: str) -> float:
        """0, and one request is counted; or the seconds after which that client may ask again, and none is."""
        now = time.monotonic()
        most = self._rate * _SAVED_SECONDS
        with self._lock:
            left, then = self._left.get(client, (most, now))
            left = min(most, left + (now - then) * self._rate)
            if left < 1:
                self._left[client] = (left, now)
                return (1 - left) / self._rate
            self._left[client] = (left - 1, now)
            return 0.0
