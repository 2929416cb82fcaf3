"""RunsWorkers: a provider whose long work may be done by processes beside the command that was given it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCertificates:
    """By what a scheduler, its workers and commands know each other: files in ``folder``, valid until then."""

    folder: Path
    until: datetime


@runtime_checkable
class RunsWorkers(Protocol):
    """A provider whose config may name workers."""

    def workers(self) -> Workers:
        """What there is to do with them."""


class Workers(Protocol):
    """Workers open keys themselves, as the provider does; what they are sent names work and holds none. All of these
    raise UsageError when the provider's config names no workers, HostError for what the machine refuses, and
    ProviderUnavailable when a module is not installed."""

    def make_certificates(self, *, valid_days: int) -> WorkerCertificates:
        """New ones, where the config says. UsageError when there are some already."""

    def schedule(self, told: Told) -> None:
        """Hand work to workers until the process is asked to stop. ``told`` hears the address once it listens."""

    def work(self, threads: int, told: Told) -> None:
        """Do what the scheduler hands out, until it goes or the process is asked to stop. ``told`` hears the worker's
        address once it is let in."""
