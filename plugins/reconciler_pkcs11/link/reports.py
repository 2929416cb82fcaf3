"""Lines for whoever looks after an agent: few, whatever strangers do, and one line each, whatever they are called."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from reconciler.model.ports import Clock
from reconciler_pkcs11.certificates import Certificate
from reconciler_pkcs11.link.failures import shown

_AT_ONCE: Final = 20
_A_SECOND: Final = 2.0


class Reports:
    """``say`` always tells; ``mention`` what anybody on the network can cause: beyond a few a second it is counted."""

    def __init__(self, tell: Callable[[str], None], clock: Clock) -> None:
        self._tell, self._clock = tell, clock
        self._lock = threading.Lock()
        self._left = float(_AT_ONCE)
        self._then = time.monotonic()
        self._untold = 0

    def say(self, line: str) -> None:
        """One line, with its time."""
        with self._lock:
            self._write(line)

    def mention(self, line: str) -> None:
        """The same, or only counted."""
        with self._lock:
            now = time.monotonic()
            self._left = min(float(_AT_ONCE), self._left + (now - self._then) * _A_SECOND)
            self._then = now
            if self._left < 1:
                self._untold += 1
                return
            self._left -= 1
            if self._untold:
                self._write(f"{self._untold} more connections were refused or ended meanwhile")
                self._untold = 0
            self._write(line)

    def _write(self, line: str) -> None:
        said = shown(line.replace("\n", " "))
        self._tell(f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ} hsm-agent: {said}")


def called(client: Certificate) -> str:
    """A client as a line names it. What its certificate says of itself is not trusted, only shown."""
    return f'"{client.common_name}" ({client.fingerprint[:16]})'
