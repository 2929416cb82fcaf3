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

Opener = Callable[[Callable[[], bytearray]], Partition]
Given = TypeVar("Given")


class NotOpen(Exception):
    """Nobody is logged in at the token, and nothing was done: whoever asks has to log in again."""


class _Handed:
    """A PIN for as long as its partition is open, in memory alone: a worker that was lost is replaced without asking
    every client for it. ``was_sent``: the worker asked for it since that was last forgotten."""

    def __init__(self, pin: bytearray) -> None:
        self._pin = bytearray(pin)
        self.was_sent = False

    def __call__(self) -> bytearray:
        self.was_sent = True
        return bytearray(self._pin)

    def wipe(self) -> None:
        self._pin[:] = bytes(len(self._pin))
        self._pin = bytearray()


class OpenedPartition:
    """``opener`` logs in at the token, in a worker of its own, with the PIN that it asks for right before: HsmError
    (PIN_REFUSED), HsmUnavailable. The PIN that was accepted is remembered as a digest under a key that lives as long
    as this object, so the next client with the same one costs the token no login; one that differs is tried in another
    worker."""

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
        self._handed: _Handed | None = None
        self._refusal: Digest | None = None  # how to remember that PIN, should the token refuse it later
        self._failure: HsmUnavailable | None = None
        self._failures = 0
        self._failed_at = 0.0

    def log_in(self, client: Certificate, pin: bytearray) -> None:
        """Return if the token accepts ``pin``. HsmError (PIN_REFUSED), HsmUnavailable."""
        digest = hmac.digest(self._salt, pin, sha256)
        with self._my_turn(self._limits.turn_changing):
            if self._partition is None or not hmac.compare_digest(digest, self._accepted):
                opened, handed, refusal = self._open(client, pin)
                self._close()
                self._partition, self._accepted, self._handed, self._refusal = opened, digest, handed, refusal
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
            except HsmUnavailable as error:
                self._report(f"the token could not be asked: {error.summary} ({error.detail or error.fault})")
                raise
            except HsmError as error:
                if not self._was_refused(error):
                    raise _not_heard(error) from error
                self._report("the partition is closed: the token refuses its PIN by now")
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

    def _was_refused(self, error: HsmError) -> bool:
        """Whether a worker was begun anew, and the token refused the PIN, which is remembered then."""
        if error.fault is not HsmFault.PIN_REFUSED or self._handed is None or not self._handed.was_sent:
            return False
        if self._refusal is not None:
            self._breaker.remember(self._place, self._refusal)
        return True

    def _open(self, client: Certificate, pin: bytearray) -> tuple[Partition, _Handed, Digest]:
        self._refuse_in_a_pause()
        with self._breaker.alone_at(self._place):
            digest = self._breaker.check(self._place, pin)
            self._attempts.begin(client, self._place)
            handed = _Handed(pin)
            try:
                opened = self._opener(handed)
            except HsmUnavailable as error:
                handed.wipe()
                self._attempts.take_back(client)
                self._failure, self._failed_at = error, time.monotonic()
                self._failures += 1
                self._report(f"the partition cannot be opened: {error.summary}")
                raise
            except HsmError as error:
                handed.wipe()
                if error.fault is HsmFault.PIN_REFUSED and handed.was_sent:
                    self._breaker.remember(self._place, digest)
                    raise
                self._attempts.take_back(client)
                raise _not_heard(error) from error
            except BaseException:
                handed.wipe()
                raise
            handed.was_sent = False
            self._failure, self._failures = None, 0
            self._breaker.forget(self._place)
        return opened, handed, digest

    def _refuse_in_a_pause(self) -> None:
        """A broken HSM is not stormed: a worker that cannot be begun is tried less and less often."""
        if self._failure is None:
            return
        doubled: float = self._limits.reopening_first * 2.0 ** min(self._failures - 1, 10)
        left = self._failed_at + min(doubled, self._limits.reopening_most) - time.monotonic()
        if left > 0:
            raise HsmUnavailable(
                self._failure.summary,
                fault=self._failure.fault,
                detail=f"It was not tried again: that is due in {left:.0f} seconds.",
                suggestion=self._failure.suggestion,
            )

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
            self._accepted, self._refusal = b"", None
            if self._handed is not None:
                self._handed.wipe()
                self._handed = None
            with suppress(ReconcilerError, OSError):
                partition.close()


def _not_heard(error: HsmError) -> HsmError:
    """What kept a PIN from being tried. To a client PIN_REFUSED says that the token refused it, and it never sends that
    one again: where the token says that it is locked, or that one try is left, nobody knows."""
    if error.fault is not HsmFault.PIN_REFUSED:
        return error
    return HsmError(error.summary, fault=HsmFault.REFUSED, detail=error.detail, suggestion=error.suggestion)
