"""The system's clock and random generator."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime


class SystemClock:
    """Wall clock in UTC."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class SystemRandom:
    """The operating system's generator."""

    def bytes(self, count: int) -> bytes:
        """``count`` bytes from getrandom(2)."""
        return os.urandom(count)
