"""A transport that sends at once what is written in one turn of the loop: uvicorn writes the head and the body of an
answer separately, and each sending is a tenth of what a whole request costs."""

from __future__ import annotations

import asyncio
from typing import Any, cast


def gathering(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> asyncio.Transport:
    """``transport``, for a protocol that writes in small parts. Nothing written is lost by ``close``."""
    return cast("asyncio.Transport", _Gathering(transport, loop))


class _Gathering:
    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.write(b"".join(parts))
