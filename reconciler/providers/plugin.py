"""What a plugin is: a class found under the entry-point group ``reconciler.providers``, built by the core.

A stranger's plugin and the built-in ones take the same road (DESIGN 2). The class names the protocol that it serves and
the pydantic model of its own ``config``; README, "Adding a provider", walks through one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from reconciler.model.ports import Clock, Fence, Fs, Interruptible, Random

if TYPE_CHECKING:
    from pydantic import BaseModel

    from reconciler.providers.hsm import HsmProvider
    from reconciler.providers.keys import KeyProvider

KEYS = "keys"
WAREHOUSE = "warehouse"
TABLES = "tables"
HSM = "hsm"


def serves(offered: str, wanted: str) -> bool:
    """Whether a provider of protocol ``offered`` serves kinds that need ``wanted``. An HSM has keys of its own, so it
    serves the kinds of keys too, each as far as it has the capability."""
    return offered == wanted or (offered == HSM and wanted == KEYS)


class NeverInterrupted:
    """Nobody asks for a stop."""

    def is_asked(self) -> bool:
        """No."""
        return False

    def interrupted_by(self, act: Callable[[], None]) -> AbstractContextManager[None]:
        """By nothing."""
        return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeModule:
    """A shared library that the operator lets providers load, and the variables that it is loaded with."""

    path: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderServices:
    """What every provider is given: who it is (its Provider manifest), where it keeps things, and the machine.

    ``home`` is the project's home; an embedded provider keeps everything below ``home/<plugin>/<account>/<region>``.
    ``principal`` is the manifest's ARN. ``fence`` answers who writes now: None while no lock is held (a statement, a
    plan, a client of ``serve``), which no store refuses. ``checkpoint`` is to be called by a long operation
    whenever all it did is durable and the same call goes on from there: StopRequested once a stop was asked for.
    ``interruptible`` tells the same to what has no such point because it is done whole or not at all: a statement.
    ``commands`` answers what may be run for a secret (``secret_source``), ``modules`` which native modules may be
    loaded, by name, both as the operator's file lists them.
    """

    name: str
    account: str
    region: str
    principal: str
    home: Path
    fs: Fs
    clock: Clock
    random: Random
    fence: Callable[[], Fence | None] = lambda: None
    checkpoint: Callable[[], None] = lambda: None
    interruptible: Interruptible = field(default_factory=NeverInterrupted)
    commands: Callable[[], Collection[tuple[str, ...]]] = frozenset
    modules: Callable[[], Mapping[str, NativeModule]] = dict


class Resolve(Protocol):
    """How a provider finds others of the same project."""

    def key_provider(self, name: str | None) -> KeyProvider:
        """The key provider of that manifest name; None: the one key Provider of the asking provider's account and
        Region (DESIGN 2). ProviderUnavailable says which Providers there are when that is not exactly one."""

    def hsm_provider(self, name: str | None) -> HsmProvider:
        """The same for an HSM provider."""

    def provider(self, name: str) -> object:
        """Any provider of that manifest name. ProviderUnavailable."""


class Plugin(Protocol):
    """The class behind an entry point. Building one opens nothing that would make it fail for a plan that does not
    need it."""

    protocol: ClassVar[str]  # KEYS, WAREHOUSE, TABLES or HSM
    config_model: ClassVar[type[BaseModel]]

    def __init__(self, config: BaseModel, services: ProviderServices, resolve: Resolve) -> None: ...

    def close(self) -> None:
        """Give back files and connections."""
