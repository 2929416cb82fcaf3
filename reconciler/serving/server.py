"""uvicorn as we run it: quiet, impatient, and stopped by SIGTERM or Ctrl-C with what runs finished and exit code 0."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from reconciler.errors import UsageError
from reconciler.serving.limits import Limits
from reconciler.serving.patience import impatient


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None], limits: Limits) -> None:
        super().__init__(config)
        self._on_listening = on_listening
        self._limits = limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.ssl is not None:
            loop = asyncio.get_running_loop()
            # A handshake is waited for as a head is; uvicorn has no word for that, and asyncio would wait a minute.
            impatiently = partial(loop.create_server, ssl_handshake_timeout=self._limits.head_seconds)
            loop.create_server = impatiently  # type: ignore[method-assign]  # of this loop alone
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
        http=impatient(limits),
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
    _allow_files(limits)
    _Server(config, on_listening, limits).run(sockets=[bound])


def _allow_files(limits: Limits) -> None:
    """Have the system let this process open as many connections as it may be asked for: 1,024 files is the usual."""
    wanted = 4 * limits.connections
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and now < wanted:
        within = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, within), most))


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise UsageError(
            f"The certificate {certificate} and its key {key} cannot be used: {_reason(error)}",
            suggestion="--tls-cert takes a PEM file with the certificate and its chain, --tls-key a PEM file with its "
            "private key, without a password.",
        ) from None
    return context


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        reasons = {
            None: "one of them is no PEM file of its kind",
            "KEY_VALUES_MISMATCH": "the key is another certificate's",
        }
        return reasons.get(error.reason, str(error.reason))
    return str(getattr(error, "strerror", None) or error)


def _no_password() -> str:
    raise ValueError("the private key has a password")
