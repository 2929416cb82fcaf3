"""The one partition behind an agent: opened by the first right PIN, used by everybody who knows it, one at a time."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TypeVar

from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.errors.root import ReconcilerError
from reconciler.model.ports import Random
from reconciler_pkcs11.breaker import Breaker, Digest
from reconciler_pkcs11.certificates import Certificate
from reconciler_pkcs11.link.attempts import Attempts
from reconciler_pkcs11.link.limits import AgentLimits
from reconciler_pkcs11.partition import Partition

Opener = Callable[[bytearray], Partition]
Given = TypeVar("Given")


class NotOpen(Exception):
    """Nobody is logged in at the token, and nothing was done: whoever asks has to log in again."""


class OpenedPartition:
    """``opener`` logs in at the token with a PIN, in a worker of its own: HsmError (PIN_REFUSED), HsmUnavailable. The
    PIN that was accepted is remembered as a digest under a key that lives as long as this object, so the next client
    with the same one costs the token no login; one that differs is tried in another worker."""

    def __init__(
        self,
        opener: Opener,
        place: str,
        *,
        breaker: Breaker,
        attempts: Attempts,
        limits: AgentLimits,
        random: Random,
        report: Callable[[str], None],
    ) -> None:
        self._opener, self._place = opener, place
        self._breaker, self._attempts = breaker, attempts
        self._limits, self._report = limits, report
        self._salt = random.bytes(32)
        self._turn = threading.Lock()
        self._partition: Partition | None = None
        self._accepted = b""
        self._sent: Digest | None = None  # how to remember that PIN, should the token refuse it later
        self._failure: HsmUnavailable | None = None
        self._failures = 0
        self._failed_at = 0.0

    def log_in(self, client: Certificate, pin: bytearray) -> None:
        """Return if the token accepts ``pin``. HsmError (PIN_REFUSED), HsmUnavailable."""
        digest = hmac.digest(self._salt, pin, sha256)
        with self._my_turn(self._limits.turn_changing):
            if self._partition is None or not hmac.compare_digest(digest, self._accepted):
                opened, sent = self._open(client, pin)
                self._close()
                self._partition, self._accepted, self._sent = opened, digest, sent
            self._attempts.clear(client)

    def use(self, call: Callable[[Partition], Given], *, changes: bool) -> Given:
        """What ``call`` gives. NotOpen; HsmUnavailable (BUSY) when others take too long, and nothing was done then.
        A worker that was lost replaces itself; one that the token lets in no more, or that failed in a way that nobody
        foresaw, is given up."""
        with self._my_turn(self._limits.turn_changing if changes else self._limits.turn_reading):
            if self._partition is None:
                raise NotOpen
            try:
                return call(self._partition)
            except HsmError as error:
                if isinstance(error, HsmUnavailable):
                    self._report(f"the token could not be asked: {error.summary} ({error.detail or error.fault})")
                elif error.fault is HsmFault.PIN_REFUSED and self._sent is not None:
                    self._breaker.remember(self._place, self._sent)
                    self._report("the partition is closed: its PIN was changed")
                    self._close()
                raise
            except ReconcilerError:
                raise
            except Exception as error:
                # The class only: its text might carry what must not be shown (I19).
                self._report(f"the partition is closed: the worker failed unforeseen ({type(error).__name__})")
                self._close()
                raise HsmUnavailable(
                    "The HSM agent's worker failed in a way that nobody foresaw; whether it did what was asked is "
                    "unknown",
                    fault=HsmFault.CLOSED,
                    suggestion="Look at the agent's output, and report it.",
                ) from None

    def close(self) -> None:
        """Log out. Waits for a call that runs, as long as such may take."""
        if self._turn.acquire(timeout=self._limits.stopping):
            try:
                self._close()
            finally:
                self._turn.release()

    def _open(self, client: Certificate, pin: bytearray) -> tuple[Partition, Digest]:
        left = self._pause_left()
        if left > 0 and self._failure is not None:
            raise HsmUnavailable(
                self._failure.summary,
                fault=self._failure.fault,
                detail=f"It was not tried again: that is due in {left:.0f} seconds.",
                suggestion=self._failure.suggestion,
            )
        with self._breaker.alone_at(self._place):
            digest = self._breaker.check(self._place, pin)
            self._attempts.begin(client, self._place)
            given = bytearray(pin)
            try:
                opened = self._opener(given)
            except HsmUnavailable as error:
                self._attempts.take_back(client)
                self._failure, self._failed_at = error, time.monotonic()
                self._failures += 1
                self._report(f"the partition cannot be opened: {error.summary}")
                raise
            except HsmError as error:
                if error.fault is not HsmFault.PIN_REFUSED:
                    self._attempts.take_back(client)
                else:
                    self._breaker.remember(self._place, digest)
                raise
            finally:
                given[:] = bytes(len(given))
            self._failure, self._failures = None, 0
            self._breaker.forget(self._place)
        return opened, digest

    def _pause_left(self) -> float:
        """Seconds in which no worker is begun after one that failed: a broken HSM is not stormed."""
        if not self._failures:
            return 0.0
        doubled: float = self._limits.reopening_first * 2.0 ** min(self._failures - 1, 10)
        return self._failed_at + min(doubled, self._limits.reopening_most) - time.monotonic()

    @contextmanager
    def _my_turn(self, seconds: float) -> Iterator[None]:
        if not self._turn.acquire(timeout=seconds):
            raise HsmUnavailable(
                f"The HSM agent did not come to this within {seconds:g} seconds: others use the partition. Nothing was "
                "done",
                fault=HsmFault.BUSY,
                suggestion="Ask again later.",
            )
        try:
            yield
        finally:
            self._turn.release()

    def _close(self) -> None:
        if self._partition is not None:
            partition, self._partition = self._partition, None
            self._accepted, self._sent = b"", None
            with suppress(ReconcilerError, OSError):
                partition.close()
