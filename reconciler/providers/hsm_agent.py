"""ServesPartitions: a plugin that can put one partition of an HSM on the network (HS1; ``reconciler hsm-agent``).

The agent runs beside the HSM, where no project need be: so this is asked of the plugin's class, and no Provider is
built. What it serves is the partition protocol of the plugin's own worker and nothing else.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from reconciler.model.ports import Clock, Fs, Random
from reconciler.providers.plugin import NativeModule


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentServices:
    """The machine. ``modules`` answers which native modules the operator lists; ``report`` takes one line for whoever
    looks after the agent, never a secret."""

    fs: Fs
    clock: Clock
    random: Random
    modules: Callable[[], Mapping[str, NativeModule]]
    report: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest:
    """What is to be served, to whom. Exactly one of ``token_label`` and ``slot``. ``folder`` keeps what must outlive
    the agent (which PINs the token refused); ``certificate`` and ``key`` are PEM files. Clients are those of the files
    ``clients`` and of every file ``*.pem`` in ``clients_folder`` as it is at the time. ``rate``: requests a second of
    one client."""

    folder: Path
    module: str
    token_label: str | None
    slot: int | None
    certificate: Path
    key: Path
    clients: tuple[Path, ...]
    clients_folder: Path | None
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentIdentity:
    """An agent's own certificate, which its clients pin."""

    pem: str
    fingerprint: str
    not_after: datetime


@runtime_checkable
class ServesPartitions(Protocol):
    """Asked of a plugin's class."""

    @staticmethod
    def make_agent_identity(
        certificate: Path, key: Path, *, name: str, valid_days: int, services: AgentServices
    ) -> AgentIdentity:
        """A new key pair in two new files (the key's 0600), durable. UsageError when one is there already."""

    @staticmethod
    def serve_partition(
        request: AgentRequest,
        bound: socket.socket,
        *,
        services: AgentServices,
        stop: threading.Event,
        on_ready: Callable[[AgentIdentity], None],
    ) -> None:
        """Answer on ``bound`` until ``stop`` is set; then what is being answered is finished. UsageError or HostError,
        and HsmUnavailable for a module that is not listed, before anything is served."""

    @staticmethod
    def forgive(folder: Path, client: str | None, *, services: AgentServices) -> int:
        """Forget which PINs the token refused, of the client with that fingerprint (or its beginning) or of all, so
        that they may be tried again; how many."""
