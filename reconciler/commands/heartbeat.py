"""The heartbeat of the lock's holder: it prolongs the lease, and whoever walks the plan hears when it stops (I13)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from reconciler.errors import ReconcilerError, Unforeseen
from reconciler.host.pulse import Pulse


class Heartbeat:
    """Calls ``beat`` every ``every`` seconds in a thread of its own, for as long as the ``with`` block lasts.

    The first beat that fails is the last: the lock is lost, or its store cannot be written to. Nothing new is begun
    then, although the token alone would refuse what matters: the state cannot tell of it any more.
    """

    def __init__(self, beat: Callable[[], None], *, every: float) -> None:
        self._beat = beat
        self._pulse = Pulse(self._once, every=every, name="heartbeat")
        self._turn = threading.Lock()
        self._failure: ReconcilerError | None = None
        self._hearers: list[Callable[[], None]] = []

    @property
    def failure(self) -> ReconcilerError | None:
        """Why it stopped; None while it beats."""
        with self._turn:
            return self._failure

    def when_it_stops(self, call: Callable[[], None]) -> None:
        """Have ``call`` called once, from whichever thread: at once when it has stopped already."""
        with self._turn:
            if self._failure is None:
                self._hearers.append(call)
                return
        call()

    def __enter__(self) -> Heartbeat:
        """Start beating."""
        self._pulse.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop; no beat comes after this."""
        self._pulse.__exit__(kind, error, traceback)

    def _once(self) -> bool:
        """Whether there is to be another."""
        try:
            self._beat()
        except ReconcilerError as error:
            self._stopped(error)
        except Exception as error:  # whatever it was, a lease that is not prolonged must not pass unnoticed
            self._stopped(Unforeseen(f"The lock's lease could not be prolonged ({type(error).__name__})"))
        return self._failure is None

    def _stopped(self, error: ReconcilerError) -> None:
        with self._turn:
            self._failure = error
            hearers, self._hearers = self._hearers, []
        for call in hearers:
            call()
