"""How much, how long and how many: what one client can ask of the server, so that it cannot keep it from others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.errors import RequestEntityTooLargeException, RequestTimeoutException

_DRAINED: Final = 8

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, seconds and counts. The public API's forms take a policy of 128 Ki characters (and refuse it for
    its size); escaped, and with what may stand beside it, that fits. ``waiting`` are connections without a request, of
    all ``connections``."""

    body_bytes: int = 1024 * 1024
    head_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    answer_seconds: float = 60.0
    idle_seconds: int = 65
    stopping_seconds: int = 30
    connections: int = 1000
    waiting: int = 500
    threads: int = 16


class ClientGone(Exception):
    """The client closed the connection before its request was whole: nobody waits for an answer."""


async def read_body(receive: Receive, headers: Mapping[str, str], limits: Limits) -> bytes:
    """The whole body. RequestEntityTooLargeException, RequestTimeoutException, ClientGone.

    Of one that is too large the rest is read and dropped, up to ``_DRAINED`` times the limit: a client that is still
    sending would not see the answer."""
    announced = headers.get("content-length", "")
    most = limits.body_bytes if "expect" in headers else limits.body_bytes * _DRAINED
    if announced.isdecimal() and (len(announced) > 15 or int(announced) > most):
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            parts: list[bytes] = []
            size = 0
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                size += len(part)
                is_last = not message.get("more_body", False)
                if size > limits.body_bytes:
                    parts.clear()
                    if is_last or size > limits.body_bytes * _DRAINED:
                        raise _too_large(limits)
                    continue
                parts.append(part)
                if is_last:
                    return b"".join(parts)
    except TimeoutError:
        raise RequestTimeoutException(
            f"The request's body did not arrive within {limits.body_seconds:g} seconds"
        ) from None


def _too_large(limits: Limits) -> RequestEntityTooLargeException:
    return RequestEntityTooLargeException(f"The request's body is larger than {limits.body_bytes} bytes")
