"""The agent: takes connections, lets in whom its operator registered, and gives each a thread.

Strangers cost little: few half-open connections at once, fewer of one address, each with a deadline; a thread that
talks to a registered client is never taken by one who is not.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from typing import Final

from reconciler.errors import HsmFault, HsmUnavailable
from reconciler.errors.root import ReconcilerError
from reconciler_pkcs11.certificates import Certificate, Identity
from reconciler_pkcs11.link import messages
from reconciler_pkcs11.link.conversation import Conversation, House
from reconciler_pkcs11.link.failures import as_failure
from reconciler_pkcs11.link.frames import Connection
from reconciler_pkcs11.link.registered import Registered
from reconciler_pkcs11.link.reports import Reports, called
from reconciler_pkcs11.link.tls import server_context

_LOOKING: Final = 0.2
_LINGERING: Final = 0.5


class Agent:
    """Answers on ``bound``, a listening socket, as ``identity``, for ``registered``."""

    def __init__(
        self,
        bound: socket.socket,
        identity: Identity,
        registered: Registered,
        house: House,
        reports: Reports,
    ) -> None:
        self._bound, self._identity = bound, identity
        self._registered, self._house = registered, house
        self._reports, self._limits = reports, house.limits
        self._lock = threading.Lock()
        self._half_open: Counter[str] = Counter()
        self._talking: dict[Conversation, str] = {}
        self._threads: set[threading.Thread] = set()
        self._context: tuple[frozenset[str], ssl.SSLContext] | None = None

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set; then what is being answered is finished, for as long as that may take."""
        self._bound.setblocking(False)
        asking = select.poll()
        asking.register(self._bound, select.POLLIN)
        while not stop.is_set():
            if asking.poll(_LOOKING * 1000):
                with suppress(BlockingIOError, InterruptedError, ConnectionAbortedError):
                    self._accept()
        self._bound.close()
        self._finish()

    def _accept(self) -> None:
        try:
            raw, address = self._bound.accept()
        except OSError as error:
            if isinstance(error, BlockingIOError | InterruptedError | ConnectionAbortedError):
                raise
            # No descriptor or memory is left: what runs goes on, and gives some back.
            self._reports.mention(f"a connection cannot be taken: {error.strerror}")
            threading.Event().wait(_LOOKING)
            return
        host = str(address[0])
        with self._lock:
            is_full = self._half_open.total() >= self._limits.half_open
            if is_full or self._half_open[host] >= self._limits.half_open_each:
                raw.close()
                self._reports.mention(f"refused {host}: too many connections are being opened")
                return
            self._half_open[host] += 1
            thread = threading.Thread(target=self._serve, args=(raw, host), name="link", daemon=True)
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            raw.close()
            self._count_out(host)
            self._threads.discard(thread)
            self._reports.mention(f"refused {host}: no thread is left for it")

    def _serve(self, raw: socket.socket, host: str) -> None:
        try:
            try:
                connection, client = self._let_in(raw, host)
            finally:
                self._count_out(host)
            if connection is not None:
                try:
                    if client is not None:
                        self._talk(connection, client, host)
                finally:
                    connection.close()
        except Exception as error:
            # A thread that dies would take the reason with it; the class only, its text may be anything (I19).
            self._reports.say(f"the connection of {host} failed unforeseen ({type(error).__name__})")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _count_out(self, host: str) -> None:
        with self._lock:
            self._half_open[host] -= 1
            if self._half_open[host] <= 0:
                del self._half_open[host]

    def _let_in(self, raw: socket.socket, host: str) -> tuple[Connection | None, Certificate | None]:
        """The connection, and who it is; whoever is not let in is told as far as they can be."""
        try:
            raw.settimeout(self._limits.handshake)
            tls = self._current_context().wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        except (OSError, ReconcilerError) as error:
            raw.close()
            self._reports.mention(f"refused {host}: {error}")
            return None, None
        try:
            tls.do_handshake()
        except (OSError, ValueError) as error:
            self._reports.mention(f"refused {host}: {_why(error)}")
            _close_gently(tls, said_why=isinstance(error, ssl.SSLError))
            return None, None
        connection = Connection(tls)
        fingerprint = sha256(connection.peer_certificate).hexdigest()
        client = self._registered.now(older_than=self._limits.recheck).get(fingerprint)
        if client is None:
            self._refuse(connection, host, "its certificate is not registered", HsmFault.CLIENT_CERT_REJECTED)
        elif connection.protocol != messages.PROTOCOL:
            self._refuse(connection, host, f"{called(client)} does not speak {messages.PROTOCOL}", HsmFault.REFUSED)
            client = None
        return connection, client

    def _talk(self, connection: Connection, client: Certificate, host: str) -> None:
        talk = Conversation(connection, client, self._house)
        with self._lock:
            of_it = sum(each == client.fingerprint for each in self._talking.values())
            is_full = len(self._talking) >= self._limits.connections or of_it >= self._limits.connections_each
            if not is_full:
                self._talking[talk] = client.fingerprint
        if is_full:
            self._refuse(connection, host, f"{called(client)} has too many connections, or all have", HsmFault.BUSY)
            return
        self._reports.mention(f"{called(client)} connected from {host}")
        try:
            why = talk.run()
        finally:
            with self._lock:
                del self._talking[talk]
        self._reports.mention(f"{called(client)} from {host}: {why}")

    def _refuse(self, connection: Connection, host: str, why: str, fault: HsmFault) -> None:
        self._reports.mention(f"refused {host}: {why}")
        error = HsmUnavailable(
            f"The HSM agent refused this client: {why}",
            fault=fault,
            suggestion="Ask again later."
            if fault is HsmFault.BUSY
            else "Register its certificate at the HSM: reconciler show HsmClientCertificate/NAME --pem",
        )
        with suppress(OSError):
            connection.send(messages.as_frame(messages.Greeting(failure=as_failure(error))), self._limits.handshake)

    def _current_context(self) -> ssl.SSLContext:
        """That of the clients that are registered now."""
        clients = self._registered.now(older_than=self._limits.recheck / 10)
        with self._lock:
            if self._context is None or self._context[0] != clients.keys():
                self._context = (frozenset(clients), server_context(self._identity, clients.values()))
            return self._context[1]

    def _finish(self) -> None:
        end = time.monotonic() + self._limits.stopping
        with self._lock:
            talking, threads = list(self._talking), list(self._threads)
        for talk in talking:
            talk.end()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


def _why(error: Exception) -> str:
    """A handshake that failed, for the agent's operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not registered, or has expired ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "it was too slow with TLS"
    if isinstance(error, ssl.SSLError):
        return f"no TLS 1.3 with a certificate ({error.reason})"
    return f"it hung up before TLS was up ({type(error).__name__})"


def _close_gently(tls: ssl.SSLSocket, *, said_why: bool) -> None:
    """Let the alert arrive that says why: closed with something unread, the system would cut it off."""
    with suppress(OSError):
        if said_why:
            socket.socket.shutdown(tls, socket.SHUT_WR)
            tls.settimeout(_LINGERING)
            socket.socket.recv(tls, 4096)
    with suppress(OSError):
        tls.close()
