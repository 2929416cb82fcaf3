"""A partition's worker as those see it who ask: restarted when it is lost, within limits, with what is safe repeated.

A worker that was lost is replaced, but at most once in ``RESTART_SECONDS``: a token that is away is not knocked at all
the time. What only reads is then asked once more. What changes something is not: HsmUnavailable says that its outcome
is unknown, and whoever asked looks by id.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.errors import HsmError, HsmFault, InvalidCiphertextException
from reconciler.model.ports import Clock, Random
from reconciler.providers.plugin import NativeModule
from reconciler_pkcs11.worker.classes import Remedy, remedy_for
from reconciler_pkcs11.worker.failures import failure
from reconciler_pkcs11.worker.process import Lost, WorkerProcess
from reconciler_pkcs11.worker.requests import MUTATING, Answer, Request

RESTART_SECONDS: Final = 30.0
_WITH_KEYS: Final = {Request.GENERATE, Request.WRAP, Request.UNWRAP, Request.RELABEL}  # which prove that it has keys

AsksPin = Callable[[], bytearray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that a worker is given. Reads are given up early, since they may be repeated; what changes something is
    not interrupted before long: some modules lose a whole token when they are killed then."""

    opening: float = 20.0
    reading: float = 5.0
    examining: float = 20.0
    changing: float = 60.0

    def of(self, request: Request) -> float:
        """Seconds for a request."""
        if request in MUTATING:
            return self.changing
        slow = {Request.OPEN: self.opening, Request.LOG_IN: self.opening, Request.EXAMINE: self.examining}
        return slow.get(request, self.reading)


DEADLINES: Final = Deadlines()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which token: the one labelled ``token_label``, or in ``slot``, of ``module``. ``place`` names it in messages."""

    module: NativeModule
    place: str
    token_label: str | None = None
    slot: int | None = None

    def fields(self) -> tuple[bytes, bytes, bytes]:
        """As the worker is told."""
        slot = "" if self.slot is None else str(self.slot)
        return str(self.module.path).encode(), (self.token_label or "").encode(), slot.encode()


class _Again(Exception):
    """The answer says: once more, in a fresh session."""


class Worker:
    """One worker at a time, asked by one thread at a time. The PIN is asked for at each login, right before it is sent,
    and wiped. One that was refused is known by its digest, and never sent again by this object."""

    def __init__(self, target: Target, pin: AsksPin, *, clock: Clock, random: Random, deadlines: Deadlines) -> None:
        """Start it and log in. HsmError (PIN_REFUSED among them) or HsmUnavailable, what asking for the PIN raises, and
        nothing is left behind."""
        self._target = target
        self._clock = clock
        self._deadlines = deadlines
        self._lock = threading.Lock()
        self._restarted: datetime | None = None
        self._is_closed = False
        self._salt = random.bytes(16)
        self._sent = self._refused = b""  # digests of PINs
        self._refusal: HsmError | None = None
        self._process: WorkerProcess | None = None
        self._has_shown_keys = False
        self._answered = 0  # requests, by the worker that is there now
        self._pin = pin
        try:
            self._start()
        except Lost as lost:
            self.close()
            raise failure(lost.fault, target.place, lost.detail) from None
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The process id of the worker; None while there is none."""
        return self._process.pid if self._process is not None else None

    def ask(self, request: Request, *fields: bytes | bytearray) -> list[bytearray]:
        """The fields of what it answers. HsmUnavailable, HsmError, InvalidCiphertextException."""
        with self._lock:
            try:
                said = self._ask(request, fields)
                if not self._shows_nothing_any_more(request, said):
                    return said
                self._drop()
                cause = Lost(HsmFault.UNREACHABLE, "its module shows none of the keys that it had")
            except Lost as lost:
                if request in MUTATING or not lost.was_asked:
                    raise failure(lost.fault, self._target.place, lost.detail, is_unknown=lost.was_asked) from None
                cause = lost
            except HsmError as error:
                if not self._may_be_stale(request, error):
                    raise
                self._drop()
                cause = Lost(error.fault, error.detail or "")
            try:
                self._restart(cause)
                return self._ask(request, fields)
            except Lost as lost:
                raise failure(lost.fault, self._target.place, lost.detail) from None

    def _may_be_stale(self, request: Request, error: HsmError) -> bool:
        """A token that was away and is back shows no key to a module that saw it before: only a fresh one can say that
        a key is missing."""
        is_missing = error.fault is HsmFault.KEY_MISSING and request not in MUTATING
        return is_missing and self._answered > 1 and self._wait() <= 0

    def _shows_nothing_any_more(self, request: Request, said: Sequence[bytearray]) -> bool:
        """Such a module says of every key that there is none, without an error: an empty list, too, is believed of a
        fresh one alone, wherever keys were seen before."""
        if request is not Request.LIST:
            self._has_shown_keys |= request in _WITH_KEYS
            return False
        had_shown, self._has_shown_keys = self._has_shown_keys, said[1] == b"yes"
        return had_shown and not self._has_shown_keys and self._answered > 1

    def _ask(self, request: Request, fields: Sequence[bytes | bytearray]) -> list[bytearray]:
        if self._is_closed:
            raise failure(HsmFault.UNREACHABLE, self._target.place, "it was closed")
        if self._process is None:
            if self._refusal is not None and self._wait() > 0:
                raise self._refusal
            self._restart(Lost(HsmFault.UNREACHABLE, "its worker was lost before"))
        try:
            return self._once(request, fields)
        except _Again:
            try:
                return self._once(request, fields)
            except _Again as again:
                raise failure(HsmFault.REFUSED, self._target.place, str(again)) from None

    def _once(self, request: Request, fields: Sequence[bytes | bytearray]) -> list[bytearray]:
        """One request to the worker that is there. Lost: there is none any more."""
        process = self._process
        if process is None:
            raise Lost(HsmFault.UNREACHABLE, "its worker was lost before")
        try:
            kind, said = process.ask(request, fields, self._deadlines.of(request))
        except BaseException:
            self._process = None
            raise
        self._answered += 1
        if kind is Answer.DONE:
            return said
        text = [each.decode("utf-8", "replace") for each in said]
        if kind is Answer.NOT_AUTHENTIC:
            raise InvalidCiphertextException("The ciphertext is not what the partition wrapped in that context")
        if kind is Answer.FOUND:
            raise self._found(HsmFault(text[0]), text[1])
        if kind is Answer.UNFORESEEN:
            raise failure(HsmFault.REFUSED, self._target.place, f"the worker failed: {text[0]}")
        raise self._call_failed(request, int(text[0]), f"{text[1]} answered {text[2]}")

    def _found(self, fault: HsmFault, detail: str) -> HsmError:
        if fault is HsmFault.PIN_REFUSED:
            self._drop()  # it did not log in
        return failure(fault, self._target.place, detail)

    def _call_failed(self, request: Request, rv: int, detail: str) -> Exception:
        remedy = remedy_for(rv)
        if remedy is Remedy.AUTH_REFUSED:
            error = failure(HsmFault.PIN_REFUSED, self._target.place, detail)
            self._refused, self._refusal = self._sent, error
            self._drop()
            return error
        if remedy is Remedy.RECONNECT:
            self._drop()
            return Lost(HsmFault.UNREACHABLE, detail)
        if remedy is Remedy.REFIND and request is not Request.GENERATE:
            return _Again(detail)
        return failure(HsmFault.BUSY if remedy is Remedy.BUSY else HsmFault.REFUSED, self._target.place, detail)

    def _start(self) -> None:
        self._process = WorkerProcess(self._target.module.environment)
        self._once(Request.OPEN, self._target.fields())
        pin = self._pin()
        try:
            if not any(pin):  # a buffer that was wiped meanwhile: sending it would cost a try
                raise Lost(HsmFault.UNREACHABLE, "its worker was lost, and the PIN is not at hand any more")
            self._sent = hmac.digest(self._salt, pin, "sha256")
            if self._refusal is not None and hmac.compare_digest(self._sent, self._refused):
                raise self._refusal
            self._once(Request.LOG_IN, (pin,))
            self._refusal, self._answered = None, 0
        finally:
            pin[:] = bytes(len(pin))

    def _restart(self, cause: Lost) -> None:
        """Another worker instead of the one that was lost by ``cause``."""
        if (wait := self._wait()) > 0:
            raise Lost(cause.fault, f"{cause.detail}; not tried again for {wait:.0f} s", was_asked=False)
        self._restarted = self._clock.now()
        try:
            self._start()
        except Lost as lost:
            self._drop()
            raise Lost(lost.fault, lost.detail, was_asked=False) from None
        except BaseException:
            self._drop()
            raise

    def _wait(self) -> float:
        if self._restarted is None:
            return 0.0
        return RESTART_SECONDS - (self._clock.now() - self._restarted).total_seconds()

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def close(self) -> None:
        """Log out and end the worker. May be called again."""
        with self._lock:
            self._is_closed = True
            self._drop()
