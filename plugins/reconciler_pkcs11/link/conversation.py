"""One connection of an agent: greeting, login, then requests and answers until either side has enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler import __version__
from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, HsmUnavailable
from reconciler.errors.root import ReconcilerError
from reconciler_pkcs11.certificates import Certificate
from reconciler_pkcs11.link import messages
from reconciler_pkcs11.link.failures import LOG_IN_AGAIN, as_failure
from reconciler_pkcs11.link.frames import Connection, Frame, Gone, NoFrame
from reconciler_pkcs11.link.limits import MOST_PIN_BYTES, MOST_REQUEST_BYTES, AgentLimits
from reconciler_pkcs11.link.messages import Answer, Failure, Greeting
from reconciler_pkcs11.link.opened import NotOpen, OpenedPartition
from reconciler_pkcs11.link.rates import Rates
from reconciler_pkcs11.partition import Partition, TokenKey

_STOPPED: Final = "the agent stops"
Parts = Sequence[bytes | bytearray]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all connections of an agent share. ``is_welcome`` asks whether that fingerprint is still registered."""

    opened: OpenedPartition
    rates: Rates
    limits: AgentLimits
    is_welcome: Callable[[str], bool]
    report: Callable[[str], None]


class Conversation:
    """With ``client``, over a connection on which TLS is up."""

    def __init__(self, connection: Connection, client: Certificate, house: House) -> None:
        self._connection, self._client, self._house = connection, client, house
        self._busy = threading.Lock()
        self._is_over = False

    def run(self) -> str:
        """Talk; why it ended, in words."""
        try:
            return self._talk()
        except TimeoutError:
            return "it said nothing for too long, or too slowly"
        except NoFrame:
            return "what it sent is no request"
        except Gone as error:
            if self._is_over:
                return _STOPPED
            return "it hung up" if error.between else "it hung up in the middle of a request"
        except OSError as error:
            return f"the connection broke ({type(error).__name__})"

    def _talk(self) -> str:
        limits = self._house.limits
        greeting = Greeting(versions=(messages.VERSION,), agent=f"reconciler {__version__}")
        self._connection.send(messages.as_frame(greeting), limits.frame)
        is_logged_in, patience = False, limits.login
        while True:
            frame = self._connection.receive(MOST_REQUEST_BYTES, first=patience, rest=limits.frame)
            with self._busy:
                why = _STOPPED if self._is_over else self._answer(frame, is_logged_in=is_logged_in)
                if why is None and self._is_over:
                    why = _STOPPED
            if why is not None:
                return why
            is_logged_in, patience = True, limits.idle

    def end(self) -> None:
        """Finish what is being answered, and hear nothing more. By another thread."""
        self._is_over = True
        if self._busy.acquire(blocking=False):
            try:
                self._connection.hang_up()
            finally:
                self._busy.release()

    def _answer(self, frame: Frame, *, is_logged_in: bool) -> str | None:
        """Answer one request. Why that was the last one; None when it was not."""
        request = messages.read_request(frame)
        pieces = messages.pieces_of(request, frame)
        try:
            if not self._house.is_welcome(self._client.fingerprint):
                self._say(request, as_failure(_unwelcome()))
                return "its certificate is registered no more, or has expired"
            wait = self._house.rates.wait_for(self._client.fingerprint)
            if wait > 0:
                self._say(request, as_failure(_too_fast(), again_after=wait))
                return None if is_logged_in else "it asks too often"
            if not is_logged_in:
                return self._log_in(request, pieces)
            return self._carry_out(request, pieces)
        finally:
            for piece in pieces:
                piece[:] = bytes(len(piece))

    def _log_in(self, request: messages.AnyRequest, pieces: list[bytearray]) -> str | None:
        if not isinstance(request, messages.LogIn) or not 0 < len(pieces[0]) <= MOST_PIN_BYTES:
            raise NoFrame
        if request.version != messages.VERSION:
            self._say(request, as_failure(_other_version(request.version)))
            return f"it speaks version {request.version}"
        try:
            self._house.opened.log_in(self._client, pieces[0])
        except ReconcilerError as error:
            self._say(request, as_failure(error))
            return f"its login failed: {error.summary}"
        self._say(request, None)
        return None

    def _carry_out(self, request: messages.AnyRequest, pieces: list[bytearray]) -> str | None:
        if isinstance(request, messages.LogIn):
            raise NoFrame
        try:
            answer, parts = self._house.opened.use(
                lambda partition: _call(partition, request, pieces), changes=request.changes
            )
        except NotOpen:
            self._say(request, _log_in_again())
            return "it has to log in again, since the partition was closed"
        except ReconcilerError as error:
            self._say(request, as_failure(error))
            return None
        frame = messages.as_frame(answer, parts)
        for part in parts:
            if isinstance(part, bytearray):
                part[:] = bytes(len(part))
        self._send(frame)
        return None

    def _say(self, request: messages.AnyRequest, failure: Failure | None) -> None:
        self._send(messages.as_frame(Answer(number=request.number, failure=failure)))

    def _send(self, frame: Frame) -> None:
        try:
            self._connection.send(frame, self._house.limits.frame)
        finally:
            frame.wipe()


def _call(partition: Partition, request: messages.AnyRequest, pieces: list[bytearray]) -> tuple[Answer, Parts]:
    """What is asked for: nothing beyond these."""
    answer = Answer(number=request.number)
    parts: Parts = ()
    match request:
        case messages.Examine():
            found = partition.examine()
            said = messages.SaidExamination(
                label=found.label,
                serial=found.serial,
                model=found.model,
                manufacturer=found.manufacturer,
                slot=found.slot,
                suites=found.suites,
                leaks=found.leaks,
            )
            answer = answer.model_copy(update={"examination": said})
        case messages.ListKeys():
            answer = answer.model_copy(update={"keys": _said(partition.list_keys())})
        case messages.FindKeys():
            answer = answer.model_copy(update={"keys": _said(partition.find_keys(request.key_id))})
        case messages.Generate():
            partition.generate(request.key_id, request.label, request.suite, relabelled=request.relabelled)
        case messages.Wrap():
            with DataKey(pieces[0]) as key:
                parts = [partition.wrap(request.key_id, request.suite, key, bytes(pieces[1]))]
        case messages.Unwrap():
            with partition.unwrap(bytes(pieces[0]), bytes(pieces[1])) as opened:
                parts = [bytearray(opened.expose_key_bytes())]
        case messages.Relabel():
            partition.relabel(request.key_id, request.label)
        case messages.Destroy():
            partition.destroy(request.key_id, request.label)
    return answer, parts


def _said(keys: Sequence[TokenKey]) -> tuple[messages.SaidKey, ...]:
    return tuple(messages.SaidKey(key_id=each.key_id, label=each.label, weakened=each.weakened) for each in keys)


def _log_in_again() -> Failure:
    return Failure(
        kind=LOG_IN_AGAIN,
        fault=HsmFault.CLOSED,
        summary="The HSM agent closed the partition. Nothing was done",
        suggestion="Look at the HSM and at the agent's output, then run the command again.",
    )


def _unwelcome() -> HsmUnavailable:
    return HsmUnavailable(
        "The HSM agent does not accept this client's certificate any more",
        fault=HsmFault.CLIENT_CERT_REJECTED,
        suggestion="Have it registered again: reconciler show HsmClientCertificate/NAME --pem",
    )


def _too_fast() -> HsmUnavailable:
    return HsmUnavailable(
        "This client asks the HSM agent more often than it may. Nothing was done",
        fault=HsmFault.BUSY,
        suggestion="Ask more slowly, or have the agent started with a higher --rate.",
    )


def _other_version(version: int) -> HsmError:
    return HsmError(
        f"The HSM agent does not speak version {version} of the protocol",
        fault=HsmFault.REFUSED,
        suggestion="Use the same version of reconciler on both sides.",
    )
