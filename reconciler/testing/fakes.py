"""A clock that is set by hand, a random generator that repeats itself, a seal that is always the same."""

from __future__ import annotations

import hashlib
import itertools
import threading
from datetime import UTC, datetime, timedelta

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.envelope.mac import HmacSha256


class ManualClock:
    """Stands still until told; ``sleep`` advances it at once."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time it was set to."""
        return self._now

    def advance(self, **parts: float) -> None:
        """Go on by ``timedelta(**parts)``."""
        self._now += timedelta(**parts)

    def sleep(self, seconds: float) -> None:
        """Go on by that long."""
        self.advance(seconds=seconds)


class SeededRandom:
    """The same bytes in the same order for the same seed: SHA-256 in counter mode. For tests only."""

    def __init__(self, seed: int | str = 0) -> None:
        self._seed = str(seed).encode()
        self._counter = itertools.count()
        self._lock = threading.Lock()

    def bytes(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        out = b""
        with self._lock:
            while len(out) < count:
                out += hashlib.sha256(self._seed + b"/%d" % next(self._counter)).digest()
        return out[:count]


def fixed_seal(number: int = 0) -> HmacSha256:
    """A project seal that is the same each time; another one for another number."""
    return HmacSha256(DataKey(bytes([number]) * KEY_BYTES))
