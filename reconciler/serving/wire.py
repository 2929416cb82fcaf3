"""The endpoint as ASGI: a request read within its limits, answered by a worker, sent; and nobody else while it is
reset."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from reconciler.errors import ServiceError
from reconciler.model.ports import Random
from reconciler.serving.answering import Answer, Answering, Peer, as_uuid, refused
from reconciler.serving.limits import ClientGone, Limits, Receive, Scope, Send, read_body
from reconciler.serving.metrics import Metrics
from reconciler.serving.signature import SentRequest


class Wire:
    """Every path but the few that ``app`` has for operators."""

    def __init__(
        self, answering: Answering, workers: ThreadPoolExecutor, metrics: Metrics, random: Random, limits: Limits
    ) -> None:
        self._answering, self._workers, self._metrics = answering, workers, metrics
        self._random, self._limits = random, limits
        self.running = 0
        self._changed = asyncio.Condition()
        self._is_shut = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        request_id = self._random.bytes(16)
        began = time.perf_counter()
        try:
            answer = await self._answered(scope, receive, request_id)
        except ClientGone:
            return
        except ServiceError as error:
            answer = refused(error, request_id)
        self._metrics.answered(answer.operation, answer.error, time.perf_counter() - began)
        async with asyncio.timeout(self._limits.answer_seconds):
            await _send(send, answer, request_id)

    async def alone(self, work: Callable[[], None]) -> None:
        """Do ``work`` while no request is being answered; those that come meanwhile wait."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_shut)
            self._is_shut = True
            await self._changed.wait_for(lambda: self.running == 0)
        try:
            await asyncio.get_running_loop().run_in_executor(self._workers, work)
        finally:
            async with self._changed:
                self._is_shut = False
                self._changed.notify_all()

    async def _answered(self, scope: Scope, receive: Receive, request_id: bytes) -> Answer:
        headers = joined_headers(scope["headers"])
        body = await read_body(receive, headers, self._limits)
        sent = SentRequest(
            method=scope["method"],
            path=scope["raw_path"].decode("ascii", "replace"),
            query=scope["query_string"].decode("ascii", "replace"),
            headers=headers,
            body=body,
        )
        client = scope.get("client")
        peer = Peer(address=client[0] if client else "", is_encrypted=scope["scheme"] == "https")
        if self._is_shut:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._is_shut)
        self.running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._workers, self._answering.answer, sent, peer, request_id
            )
        finally:
            self.running -= 1
            if self._is_shut:
                async with self._changed:
                    self._changed.notify_all()


def joined_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; several of one name are one value with commas, as they are signed."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "surrogateescape")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


async def _send(send: Send, answer: Answer, request_id: bytes) -> None:
    headers = [
        (b"x-amzn-requestid", as_uuid(request_id).encode()),
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if answer.status in {408, 413}:
        headers.append((b"connection", b"close"))  # the rest of its body is not waited for
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
