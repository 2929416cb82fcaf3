"""Something done again and again beside what runs: a heartbeat, a word that a quiet step still lives."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType


class Pulse:
    """Calls ``beat`` every ``every`` seconds in a thread of its own, for as long as the ``with`` block lasts or until
    it answers False."""

    def __init__(self, beat: Callable[[], bool | None], *, every: float, name: str = "pulse") -> None:
        self._beat = beat
        self._every = every
        self._over = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

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
            if self._beat() is False:
                return
