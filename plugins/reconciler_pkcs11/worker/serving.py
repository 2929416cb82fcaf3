"""The child's side: requests from the channel, one at a time, until the other end is gone.

Nothing is written anywhere but to the channel. Should a module hang, the alarm ends this process a little after its
asker stopped waiting, and so also when there is no asker any more: a signal's own action needs no Python to run.
"""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from reconciler_pkcs11 import blob
from reconciler_pkcs11.cryptoki.codes import CkError, ModuleUnusable, name_of
from reconciler_pkcs11.cryptoki.constants import Attribute
from reconciler_pkcs11.token import adoption, cbc_hmac, key_objects, suites
from reconciler_pkcs11.token.findings import Finding, NotAuthentic
from reconciler_pkcs11.token.opened import Opened, open_token
from reconciler_pkcs11.worker import frames
from reconciler_pkcs11.worker.requests import Answer, Request

_GRACE_SECONDS: Final = 1.0  # after the asker gave up and killed this process itself, if it lives

Fields = list[bytearray]
Said = tuple[bytes, ...]


def _examine(opened: Opened, fields: Fields) -> Said:
    token, passing = opened.token, adoption.passing_suites(opened)
    found = {
        "label": token.label,
        "serial": token.serial,
        "model": token.model,
        "manufacturer": token.manufacturer,
        "slot": opened.slot,
        "suites": passing,
        "leaks": adoption.leaks(opened) if passing else [],  # without a suite there is no key to give out
    }
    return (json.dumps(found).encode(),)


def _log_in(opened: Opened, fields: Fields) -> Said:
    opened.log_in(fields[0])
    return ()


def _list(opened: Opened, fields: Fields) -> Said:
    template = {Attribute.ID: bytes(fields[0])} if fields[0] else {}
    with opened.session() as session:
        found = [each for _, each in key_objects.listed(session, template)]
        if not found:
            opened.must_be_there()
        shows_any = bool(found) or key_objects.shows_any(session)
    whole = {cbc_hmac.MAC_LABEL + each.key_id for each in found}
    told = [(each.key_id, each.label, each.weakened) for each in found if each.label not in whole]
    return json.dumps(told).encode(), b"yes" if shows_any else b"no"


def _generate(opened: Opened, fields: Fields) -> Said:
    key_id, label, suite, modifiable = (field.decode() for field in fields)
    suites.generate(opened, key_id, label, suite, modifiable=modifiable == "yes")
    return ()


def _wrap(opened: Opened, fields: Fields) -> Said:
    key_id, suite, data, aad = fields
    if not blob.may_be_wrapped(len(data)):
        raise Finding("refused", f"a key of {len(data)} bytes is not wrapped: {blob.LENGTHS}")
    sealed = suites.wrap(opened, key_id.decode(), suite.decode(), bytes(data), bytes(aad))
    data[:] = bytes(len(data))
    return (sealed,)


def _unwrap(opened: Opened, fields: Fields) -> Said:
    return (suites.unwrap(opened, bytes(fields[0]), bytes(fields[1])),)


def _relabel(opened: Opened, fields: Fields) -> Said:
    with opened.session(read_write=True) as session:
        key_objects.relabel(session, fields[0].decode(), fields[1].decode())
    return ()


def _destroy(opened: Opened, fields: Fields) -> Said:
    key_id, label = fields[0].decode(), fields[1].decode()
    with opened.session(read_write=True) as session:
        key_objects.destroy(session, key_id, label)
        if not session.find(key_objects.of_id(key_id), most=1):
            key_objects.destroy(session, cbc_hmac.mac_id(key_id), cbc_hmac.MAC_LABEL + key_id)
    return ()


_OPERATIONS: Final[dict[int, Callable[[Opened, Fields], Said]]] = {
    Request.LOG_IN: _log_in,
    Request.EXAMINE: _examine,
    Request.LIST: _list,
    Request.GENERATE: _generate,
    Request.WRAP: _wrap,
    Request.UNWRAP: _unwrap,
    Request.RELABEL: _relabel,
    Request.DESTROY: _destroy,
}


class Serving:
    """A worker's whole state: the token, once it is opened."""

    def __init__(self) -> None:
        self._opened: Opened | None = None

    def answer(self, kind: int, fields: Fields) -> bytearray:
        """The answer to one request, whatever happens in it."""
        try:
            return frames.encode(Answer.DONE, self._done(kind, fields))
        except CkError as error:
            said = (str(error.rv), error.function, name_of(error.rv))
            return frames.encode(Answer.CALL_FAILED, [each.encode() for each in said])
        except ModuleUnusable as error:
            return frames.encode(Answer.FOUND, (b"module-unusable", str(error).encode()))
        except Finding as finding:
            return frames.encode(Answer.FOUND, (finding.fault.encode(), finding.detail.encode()))
        except NotAuthentic:
            return frames.encode(Answer.NOT_AUTHENTIC)
        except Exception as error:  # its text might hold what was asked: only its place is told
            return frames.encode(Answer.UNFORESEEN, (_where(error).encode(),))

    def _done(self, kind: int, fields: Fields) -> Said:
        if kind == Request.OPEN:
            path, label, slot = (field.decode() for field in fields)
            self._opened = open_token(path, label or None, int(slot) if slot else None)
            return ()
        if self._opened is None:
            raise Finding("refused", "the worker was not opened")
        return _OPERATIONS[kind](self._opened, fields)

    def close(self) -> None:
        """Log out and give the module back, as far as it lets us."""
        if self._opened is not None:
            with suppress(CkError, ModuleUnusable):
                self._opened.close()


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
    return f"{type(error).__name__} at {place}"


def serve(channel: io.FileIO) -> None:
    """Answer until the other end is gone."""
    serving = Serving()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    while True:
        try:
            kind, milliseconds, fields = frames.decode(frames.receive(channel.readinto))
        except (frames.Ended, ConnectionError):
            signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS)
            serving.close()
            return
        signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000 + _GRACE_SECONDS)
        said = serving.answer(kind, fields)
        signal.setitimer(signal.ITIMER_REAL, 0)
        rest = memoryview(said)
        try:
            while rest:
                rest = rest[channel.write(rest) :]
        except ConnectionError:
            return
        finally:
            rest.release()
            said[:] = bytes(len(said))
