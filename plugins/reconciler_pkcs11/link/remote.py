"""RemotePartition: a partition behind an agent, as the ``Partition`` that everybody else knows.

Connected at the first call, and again when the connection is lost. What only reads is asked once more after that; what
changes something is not: HsmUnavailable says that its outcome is unknown, and the asker looks by id.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, TypeVar

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault
from reconciler.model.ports import Clock, Random
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.link import messages
from reconciler_pkcs11.link.dialling import Place, closed, dial, strange, timed_out
from reconciler_pkcs11.link.failures import LOG_IN_AGAIN, as_error
from reconciler_pkcs11.link.frames import Connection, Gone, NoFrame
from reconciler_pkcs11.link.limits import MOST_ANSWER_BYTES, MOST_PIN_BYTES, Deadlines
from reconciler_pkcs11.link.messages import Answer, Request
from reconciler_pkcs11.link.tls import client_context
from reconciler_pkcs11.partition import Examination, TokenKey

_WAIT: Final = 0.1
Found = TypeVar("Found")


class _Broken(Exception):
    """The connection ended before the answer came."""


class RemotePartition:
    """``pin`` is asked for each login, and what it gives is wiped; one that was refused is not sent again by this
    object. Making one connects to nobody, and reads the private key of ``place.identity``, which may be wiped then."""

    def __init__(
        self,
        place: Place,
        pin: Callable[[], bytearray],
        *,
        clock: Clock,
        random: Random,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._place = place
        self._context = client_context(place.identity, place.server)
        self._pin = pin
        self._clock = clock
        self._deadlines = deadlines or Deadlines()
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._number = 0
        self._salt = random.bytes(32)
        self._refused: tuple[bytes, HsmError] | None = None
        self._failures = 0
        self._failed_at = 0.0

    def log_in(self) -> None:
        """Connect and log in now, where that is not done yet. HsmUnavailable, HsmError."""
        with self._lock:
            self._connected()

    def examine(self) -> Examination:
        """See ``Partition.examine``."""
        said = _given(self._ask(messages.Examine(), seconds=self._deadlines.changing)[0].examination, self._place)
        return Examination(
            label=said.label,
            serial=said.serial,
            model=said.model,
            manufacturer=said.manufacturer,
            slot=said.slot,
            suites=said.suites,
            leaks=said.leaks,
        )

    def list_keys(self) -> list[TokenKey]:
        """See ``Partition.list_keys``."""
        return self._keys(messages.ListKeys())

    def find_keys(self, key_id: str) -> list[TokenKey]:
        """See ``Partition.find_keys``."""
        return self._keys(messages.FindKeys(key_id=key_id))

    def generate(self, key_id: str, label: str, suite: Suite, *, relabelled: bool = False) -> None:
        """See ``Partition.generate``."""
        self._ask(messages.Generate(key_id=key_id, label=label, suite=suite, relabelled=relabelled))

    def wrap(self, key_id: str, suite: Suite, key: DataKey, aad: bytes) -> bytes:
        """See ``Partition.wrap``."""
        _, parts = self._ask(messages.Wrap(key_id=key_id, suite=suite), [key.expose_key_bytes(), aad], gives=1)
        return bytes(parts[0])

    def unwrap(self, blob: bytes, aad: bytes) -> DataKey:
        """See ``Partition.unwrap``."""
        _, parts = self._ask(messages.Unwrap(), [blob, aad], gives=1)
        key = DataKey(parts[0])
        parts[0][:] = bytes(len(parts[0]))
        return key

    def relabel(self, key_id: str, label: str) -> None:
        """See ``Partition.relabel``."""
        self._ask(messages.Relabel(key_id=key_id, label=label))

    def destroy(self, key_id: str, label: str) -> None:
        """See ``Partition.destroy``."""
        self._ask(messages.Destroy(key_id=key_id, label=label))

    def close(self) -> None:
        """Hang up; the next call connects again."""
        with self._lock:
            self._drop()

    def _keys(self, request: Request) -> list[TokenKey]:
        said = _given(self._ask(request)[0].keys, self._place)
        return [TokenKey(key_id=each.key_id, label=each.label, weakened=each.weakened) for each in said]

    def _ask(
        self, request: Request, parts: Sequence[bytes | bytearray] = (), *, gives: int = 0, seconds: float | None = None
    ) -> tuple[Answer, list[bytearray]]:
        if seconds is None:
            seconds = self._deadlines.changing if request.changes else self._deadlines.reading
        end = time.monotonic() + seconds
        with self._lock:
            while True:
                answer, found = self._answer(request, parts, seconds)
                wait = answer.failure.again_after if answer.failure is not None else None
                if wait is None or time.monotonic() + wait / 1000 > end:
                    break
                self._clock.sleep(wait / 1000)  # nothing was done: the agent only wants us to be slower
            if answer.failure is not None:
                raise as_error(answer.failure)
            if len(found) != gives:
                self._drop()
                raise strange(self._place.address)
            return answer, found

    def _answer(
        self, request: Request, parts: Sequence[bytes | bytearray], seconds: float
    ) -> tuple[Answer, list[bytearray]]:
        """What the agent says, also a failure; what only reads is asked once more where the connection was lost."""
        connection = self._connected()
        try:
            answer, found = self._exchange(connection, request, parts, seconds)
            if answer.failure is None or answer.failure.kind != LOG_IN_AGAIN:
                return answer, found
            self._drop()
        except _Broken:
            if request.changes:
                raise closed(self._place.address, is_unknown=True) from None
        try:
            return self._exchange(self._connected(), request, parts, seconds)
        except _Broken:
            raise closed(self._place.address, is_unknown=request.changes) from None

    def _exchange(
        self, connection: Connection, request: Request, parts: Sequence[bytes | bytearray], seconds: float
    ) -> tuple[Answer, list[bytearray]]:
        """One request and its answer. After anything else the connection is not used again: what comes late on it would
        be taken for the answer to something else."""
        self._number += 1
        frame = messages.as_frame(request.model_copy(update={"number": self._number}), parts)
        try:
            connection.send(frame, seconds)
            heard = connection.receive(MOST_ANSWER_BYTES, first=seconds, rest=seconds)
            answer = messages.read_answer(heard)
            if answer.number != self._number:
                raise NoFrame
            found = messages.pieces_of(answer, heard)
        except BaseException as error:
            self._drop()
            if isinstance(error, TimeoutError):
                raise timed_out(self._place.address, _named(request), is_unknown=request.changes) from None
            if isinstance(error, NoFrame):
                raise strange(self._place.address) from None
            if isinstance(error, Gone | OSError):
                raise _Broken from None
            raise
        finally:
            frame.wipe()
        return answer, found

    def _connected(self) -> Connection:
        """A connection that is logged in: the one that is there, unless it has ended since."""
        if self._connection is not None:
            if not self._connection.has_something():
                return self._connection
            self._drop()
        self._wait()
        try:
            self._connection, _ = dial(self._place, self._context, self._clock, self._deadlines)
            self._log_in(self._connection)
        except BaseException:
            self._drop()
            self._failures += 1
            self._failed_at = time.monotonic()
            raise
        self._failures = 0
        return self._connection

    def _wait(self) -> None:
        """An agent that is down is not called more and more often."""
        if self._failures:
            pause = min(_WAIT * 2 ** min(self._failures - 1, 10), self._deadlines.waiting_most)
            left = self._failed_at + pause - time.monotonic()
            if left > 0:
                self._clock.sleep(left)

    def _log_in(self, connection: Connection) -> None:
        pin = self._pin()
        try:
            digest = hmac.digest(self._salt, pin, sha256)
            if self._refused is not None and hmac.compare_digest(self._refused[0], digest):
                raise self._refused[1]
            if not 0 < len(pin) <= MOST_PIN_BYTES:
                raise HsmError(
                    f"The PIN for the HSM agent at {self._place.address} is empty, or longer than any",
                    fault=HsmFault.PIN_REFUSED,
                    suggestion=f"It has 1 to {MOST_PIN_BYTES} bytes: see what pinFrom gives.",
                )
            try:
                answer, _ = self._exchange(connection, messages.LogIn(), [pin], self._deadlines.logging_in)
            except _Broken:
                raise closed(self._place.address) from None
            if answer.failure is not None:
                error = as_error(answer.failure)
                if isinstance(error, HsmError) and error.fault is HsmFault.PIN_REFUSED:
                    self._refused = (digest, error)
                raise error
            self._refused = None
        finally:
            pin[:] = bytes(len(pin))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _named(request: Request) -> str:
    return type(request).__name__.lower()


def _given(said: Found | None, place: Place) -> Found:
    if said is None:
        raise strange(place.address)
    return said
