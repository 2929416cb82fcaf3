"""What the core asks of the machine and of its surroundings: disk, clock, randomness, MAC, providers.

All of it is handed in, so that tests can record, fail or replay every call (RELIABILITY 4, STYLE habit 6).
The real ones live in ``reconciler.host``; recording and failing ones in ``reconciler.testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from reconciler.model.address import Address

Bytes = bytes | bytearray | memoryview


class Fs(Protocol):
    """The only way to bulk files (SQLite brings its own). Calls are low-level on purpose: a recorder that sees each
    create, write, fsync and rename can replay every legal state after a power loss (RELIABILITY T2).

    Handles are small integers. Errors are OSError with its errno; a failed fsync is never retried (C3).
    ``reconciler.host.durable`` composes these calls into "write once" and "replace".
    """

    def create(self, path: Path) -> int:
        """A new file, mode 0600, for writing; FileExistsError when the name is taken (O_EXCL, no symlinks)."""

    def write(self, handle: int, data: Bytes) -> None:
        """Append all of ``data`` (short writes are continued)."""

    def fsync(self, handle: int) -> None:
        """Make the file's content durable; says nothing about its name."""

    def close(self, handle: int) -> None:
        """Give the handle back."""

    def open(self, path: Path) -> int:
        """An existing file for reading; FileNotFoundError when absent; symlinks are refused."""

    def read_into(self, handle: int, buffer: memoryview, offset: int) -> int:
        """Fill ``buffer`` from byte ``offset``; the count read, smaller only at the end of the file."""

    def size(self, path: Path) -> int:
        """Length in bytes; FileNotFoundError when absent."""

    def exists(self, path: Path) -> bool:
        """Whether the name exists."""

    def rename(self, source: Path, target: Path) -> None:
        """Atomically give ``source`` the name ``target``, replacing what had it."""

    def unlink(self, path: Path) -> None:
        """Remove the name; FileNotFoundError when absent."""

    def mkdir(self, path: Path) -> None:
        """The folder and its parents, mode 0700; no error when it exists."""

    def listdir(self, path: Path) -> list[str]:
        """Names in the folder, sorted; FileNotFoundError when absent."""

    def fsync_dir(self, path: Path) -> None:
        """Make the folder's names durable."""


class Clock(Protocol):
    """Time, for reports, leases and policy; no safety property rests on it (C8)."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Random(Protocol):
    """Where every key, salt, nonce and token comes from."""

    def bytes(self, count: int) -> bytes:
        """``count`` unpredictable bytes from the operating system's generator."""


class Mac(Protocol):
    """A message authentication code under a key that the holder does not show."""

    def tag(self, purpose: str, message: bytes) -> bytes:
        """32 bytes over ``purpose`` and ``message``."""

    def verify(self, purpose: str, message: bytes, tag: bytes) -> bool:
        """Whether ``tag`` is right; compared in constant time."""

    def derived(self, purpose: str) -> Callable[[bytes], bytes]:
        """A function that answers 32 bytes over a message, under a key derived for ``purpose``: for so many short
        messages that their purpose would cost as much as their content."""


class Fence(NamedTuple):
    """Who writes: the state's ``lineage`` and the fencing ``token`` of the lock that the writer holds. A store that saw
    a higher token of the same lineage refuses the lower one (I13)."""

    lineage: str
    token: int


class StopRequested(BaseException):  # no Exception: nobody may handle it as an error on its way out
    """Raised at a durable checkpoint of a long step once a stop was asked for (CONTRACT 4, Ctrl-C). To the provider it
    is as if the process had ended there: what the same call with the same token goes on from."""


class Interruptible(Protocol):
    """How work that is done whole or not at all learns that a stop was asked for (Ctrl-C while a statement runs): it
    undoes what it began, and raises StopRequested."""

    def is_asked(self) -> bool:
        """Whether a stop was asked for."""

    def interrupted_by(self, act: Callable[[], None]) -> AbstractContextManager[None]:
        """While the block lasts, ``act`` is called by another thread, again and again, once a stop was asked for: it
        interrupts what cannot look by itself, such as an engine."""


class Services(Protocol):
    """What observing and a step's run may touch."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def random(self) -> Random:
        """Randomness."""

    @property
    def project(self) -> Path:
        """The project's folder: data paths in manifests are relative to it and stay under it (CONTRACT 1)."""

    def provider(self, name: str) -> object:
        """The running provider of that manifest name; ProviderUnavailable with the plugin's own words if it cannot run.

        Kinds use ``reconciler.providers.typed`` to get it as the protocol that they need."""

    def principal(self, name: str) -> str:
        """The principal (ARN) that calls through that provider: ``--as``, else the environment's, else the
        manifest's."""

    def attributes(self, address: Address) -> Mapping[str, Any]:
        """What the state records of a resource that exists (``id``, ``arn`` …); KeyError when it records nothing."""


@runtime_checkable
class LocatesProviders(Protocol):
    """Services that know all declared Providers, not only by name."""

    def providers_in(self, protocol: str, account: str, region: str) -> Sequence[str]:
        """Names of the Providers of that protocol for that account and Region, sorted. ProviderUnavailable when a
        plugin there cannot be loaded."""


@runtime_checkable
class StepServices(Services, Protocol):
    """Services, plus what belongs to the one step being run."""

    @property
    def token(self) -> str:
        """The step's idempotency token: the same again when the step is taken up after a crash (I10)."""

    def key_uses(self, key_arn: str, grant_id: str | None = None) -> Sequence[str]:
        """What the key still opens, in words, asked of every data provider now; with ``grant_id`` only what reaches it
        through that grant. One that cannot be asked counts as a use (I3)."""

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Tell the view how far a long step is."""
