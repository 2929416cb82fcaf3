"""Putting an agent together from flags, and running it until it is told to stop."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.hsm_agent.places import certificate_in, clients_in, key_in, server_of_partitions
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.providers.hsm_agent import AgentIdentity, AgentRequest
from reconciler.serving.listening import listen


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The flags of ``hsm-agent``."""

    folder: Path | None
    module: str | None
    token_label: str | None
    slot: int | None
    listen: str
    certificate: Path | None
    key: Path | None
    clients: tuple[Path, ...]
    clients_folder: Path | None
    rate: int
    plugin: str

    def request(self) -> AgentRequest:
        """What is to be served. UsageError says what is missing."""
        if self.folder is None:
            raise UsageError(
                "hsm-agent needs its folder",
                suggestion="Make one with reconciler hsm-agent init DIR --name HOST, then say --folder DIR.",
            )
        if self.module is None:
            raise UsageError(
                "hsm-agent needs the PKCS#11 module of the HSM",
                suggestion="Say --module with a name that the operator's file lists under modules.",
            )
        if (self.token_label is None) is (self.slot is None):
            raise UsageError(
                "hsm-agent serves one partition", suggestion="Say which: either --token-label LABEL or --slot NUMBER."
            )
        folder = self.folder.absolute()
        if not folder.is_dir():
            raise UsageError(
                f"The agent's folder {folder} is not there",
                suggestion=f"Make it: reconciler hsm-agent init {folder} --name HOST",
            )
        is_default = self.clients_folder is None and not self.clients
        clients_folder = clients_in(folder) if is_default else self.clients_folder
        return AgentRequest(
            folder=folder,
            module=self.module,
            token_label=self.token_label,
            slot=self.slot,
            certificate=(self.certificate or certificate_in(folder)).absolute(),
            key=(self.key or key_in(folder)).absolute(),
            clients=tuple(each.absolute() for each in self.clients),
            clients_folder=None if clients_folder is None else clients_folder.absolute(),
            rate=self.rate,
        )


def run(flags: Globals, asked: Asked) -> int:
    """Serve until SIGTERM or Ctrl-C; 0."""
    gc.enable()  # the command line switches it off; this process is to live for long
    request = asked.request()
    with Session(flags) as session, told_to_stop() as stop:
        plugin, services = server_of_partitions(session, asked.plugin, request.folder)
        bound = listen(asked.listen, is_guarded=True)
        with bound:
            host, port = bound.getsockname()[:2]
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

            def greet(identity: AgentIdentity) -> None:
                output.tell(
                    f"listening on {address}\ncertificate {identity.fingerprint} (SHA-256), until "
                    f"{identity.not_after:%Y-%m-%d}"
                )

            plugin.serve_partition(request, bound, services=services, stop=stop, on_ready=greet)
    return 0


@contextmanager
def told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set. A second one ends the process at once."""
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
