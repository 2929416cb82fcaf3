"""Ctrl-C and SIGTERM while one thing is done whole or not at all: what runs is interrupted, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_AGAIN: Final = 0.05  # seconds: an engine that is between two queries does not notice


class Interrupts:
    """See ``Interruptible``. Asked for by a signal while ``heard`` lasts."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._acts: list[Callable[[], None]] = []

    def is_asked(self) -> bool:
        """See ``Interruptible.is_asked``."""
        return self._asked.is_set()

    @contextmanager
    def interrupted_by(self, act: Callable[[], None]) -> Iterator[None]:
        """See ``Interruptible.interrupted_by``."""
        with self._lock:
            self._acts.append(act)
        try:
            yield
        finally:
            with self._lock:
                self._acts.remove(act)

    @contextmanager
    def heard(self, code: int) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM interrupts what runs in the block; the second one ends the process at once, with
        that exit code.

        Python has its own handlers wait until an engine's call is over, so a thread is told by the signals themselves.
        """
        if threading.current_thread() is not threading.main_thread():  # no other may say who listens
            yield
            return
        told, telling = os.pipe()
        os.set_blocking(telling, False)
        before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        woken_before = signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
        listener = threading.Thread(target=self._listen, args=(told, code), daemon=True)
        listener.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(telling)  # the listener reads its end
            listener.join()
            os.close(told)

    def _listen(self, told: int, code: int) -> None:
        if not self._is_told(told):
            return
        self._asked.set()
        is_over = threading.Event()
        interrupting = threading.Thread(target=self._interrupt, args=(is_over,), daemon=True)
        interrupting.start()
        if self._is_told(told):
            os._exit(code)
        is_over.set()
        interrupting.join()

    def _interrupt(self, is_over: threading.Event) -> None:
        while True:
            with self._lock:  # nobody is gone while it is told
                for act in self._acts:
                    act()
            if is_over.wait(_AGAIN):
                return

    @staticmethod
    def _is_told(told: int) -> bool:
        """Wait for one of the signals; False at the end."""
        while byte := os.read(told, 1):
            if byte[0] in _SIGNALS:
                return True
        return False
