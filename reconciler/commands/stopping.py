"""Ctrl-C while something is carried out, and after it (CONTRACT 4)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from reconciler.commands import output

PARTLY: Final = 7
STOPPED: Final = 1  # of what is done whole or not at all: nothing was changed
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Ctrl-C once sets the event: no new step; twice: out at once, still resumable.

    Afterwards there is nothing left to stop: Ctrl-C is not heard any more, so that how it ended is told in full. That
    lasts until ``hearing_again`` ends, which is as the command does.
    """
    stop = threading.Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(PARTLY)
        stop.set()
        output.remark("Stopping after the running steps. Press Ctrl-C again to leave at once; the next apply resumes.")

    _listen(dict.fromkeys(_SIGNALS, interrupted))
    try:
        yield stop
    finally:
        _listen(dict.fromkeys(_SIGNALS, signal.SIG_IGN))


@contextmanager
def hearing_again() -> Iterator[None]:
    """Whoever called is interrupted by what interrupted them before."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        _listen(before)


def _listen(handlers: dict[signal.Signals, signal._HANDLER]) -> None:
    if threading.current_thread() is threading.main_thread():  # no other may say who listens, nor is interrupted
        for number, handler in handlers.items():
            signal.signal(number, handler)
