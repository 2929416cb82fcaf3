"""uvicorn's HTTP protocol on llhttp's parser, with the limits that these leave open: how long the head of a request may
take, how large it may be, and how many connections may wait without a request."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.serving.gathering import gathering
from reconciler.serving.limits import Limits
from reconciler.serving.waiting import Waiting


class _NotAccepted(Exception):
    """Whatever the parser's callbacks raise, it answers 400 and closes the connection."""


class _Impatient(HttpToolsProtocol):
    limits: ClassVar[Limits]
    waiting: ClassVar[Waiting]
    _deadline: asyncio.TimerHandle | None = None
    _peer = ""
    _is_in_head = True
    _waited_bytes = 0
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent has it
        super().connection_made(gathering(transport, self.loop))
        self._peer = "" if self.client is None else self.client[0]
        self.waiting.enter(self._peer, self.transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_in_head:
            self._waited_bytes = 0
            self._forget_deadline()
            return
        self._waited_bytes += len(data)
        if self._waited_bytes > self.limits.head_bytes and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
        self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._header_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self.limits.head_bytes:
            raise _NotAccepted
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not any(name == b"host" for name, _ in self.headers):
            raise _NotAccepted
        self._is_in_head = False
        self.waiting.leave(self._peer, self.transport)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.waiting.enter(self._peer, self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self.waiting.leave(self._peer, self.transport)
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.head_seconds, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def impatient(limits: Limits) -> type[HttpToolsProtocol]:
    """The protocol that closes a connection whose next request has begun (or whose first has not come) and whose head
    is not whole after ``head_seconds``, and the one that has waited longest where more than ``waiting`` wait; a head
    larger than ``head_bytes``, or without a host, is answered 400."""
    return type("Impatient", (_Impatient,), {"limits": limits, "waiting": Waiting(limits.waiting)})
