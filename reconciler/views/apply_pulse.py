"""The heartbeat that lets a quiet apply say that it lives."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType


class Pulse:
    """Calls ``beat`` every ``every`` seconds in a thread of its own, for as long as the ``with`` block lasts."""

    def __init__(self, beat: Callable[[], None], *, every: float = 2.0) -> None:
        self._beat = beat
        self._every = every
        self._over = Event()
        self._thread = Thread(target=self._run, name="apply-pulse", daemon=True)

    def __enter__(self) -> Pulse:
        """Start beating."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop; no beat comes after this."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._beat()
