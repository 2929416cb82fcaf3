"""uvicorn's HTTP protocol on llhttp's parser, with the limits that these leave open: how long the head of a request may
take, and how large it may be."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.serving.gathering import gathering


class _NotAccepted(Exception):
    """Whatever the parser's callbacks raise, it answers 400 and closes the connection."""


def impatient(head_seconds: float, head_bytes: int) -> type[HttpToolsProtocol]:
    """The protocol that closes a connection whose next request has begun (or whose first has not come) and whose head
    is not whole after ``head_seconds``; a head larger than ``head_bytes``, or without a host, is answered 400."""

    class Impatient(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _is_in_head = True
        _waited_bytes = 0
        _header_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent has it
            super().connection_made(gathering(transport, self.loop))
            self._await_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if not self._is_in_head:
                self._waited_bytes = 0
                self._forget_deadline()
                return
            self._waited_bytes += len(data)
            if self._waited_bytes > head_bytes and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
            self._await_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._is_in_head = True
            self._header_bytes = 0

        def on_header(self, name: bytes, value: bytes) -> None:
            self._header_bytes += len(name) + len(value)
            if self._header_bytes > head_bytes:
                raise _NotAccepted
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            if not any(name == b"host" for name, _ in self.headers):
                raise _NotAccepted
            self._is_in_head = False
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget_deadline()
            super().connection_lost(exc)

        def _await_head(self) -> None:
            if self._deadline is None:
                self._deadline = self.loop.call_later(head_seconds, self.transport.abort)

        def _forget_deadline(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Impatient
