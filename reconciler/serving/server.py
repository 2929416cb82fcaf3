"""uvicorn as we run it: quiet, impatient, and stopped by SIGTERM or Ctrl-C with what runs finished and exit code 0."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from reconciler.errors import UsageError
from reconciler.serving.limits import Limits
from reconciler.serving.patience import impatient


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, which afterwards would have the process die of the signal that it obeyed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    app: ASGIApp,
    bound: socket.socket,
    *,
    limits: Limits,
    on_listening: Callable[[], None],
    tls: tuple[Path, Path] | None = None,
) -> None:
    """Answer requests until told to stop; then what is being answered is finished. ``tls`` are the files of the
    certificate (with its chain) and of its private key. UsageError when they cannot be used."""
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        # They would print tracebacks; what an operator must know of is reported by the application, in one line.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    config = uvicorn.Config(
        app,
        http=impatient(limits.head_seconds, limits.head_bytes),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # The peer's address is what a policy's aws:SourceIp is compared with: no header may say another.
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=limits.stopping_seconds,
    )
    config.load()
    if tls is not None:
        config.ssl = _tls(*tls)
    _Server(config, on_listening).run(sockets=[bound])


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None) or error
        raise UsageError(
            f"The certificate {certificate} and its key {key} cannot be used: {reason}",
            suggestion="--tls-cert takes a PEM file with the certificate and its chain, --tls-key a PEM file with its "
            "private key, without a password.",
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("the private key has a password")
