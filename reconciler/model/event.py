"""What apply tells its view while it works: one small frozen event at a time (STYLE habit 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.errors import Diagnostic
from reconciler.model.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. The JSON view prints the class's name in kebab case as ``type``, then the fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyStarted(Event):
    """The walk begins; ``operations`` and ``steps`` are totals."""

    plan_id: str
    operations: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """An earlier apply left this step without an outcome; ``resolution`` says what observing found (I10)."""

    address: Address
    step: str
    resolution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStarted(Event):
    """An operation's first step is about to run."""

    address: Address
    verb: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step's intent is durable and its call is about to be made. ``number`` counts from 1 among the ``of`` steps of
    its operation."""

    address: Address
    step: str
    summary: str
    number: int | None = None
    of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress(Event):
    """A long step's own report; ``done`` of ``total`` where they are known."""

    address: Address
    step: str
    text: str
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step's outcome is durable in the state of that ``serial``."""

    address: Address
    step: str
    serial: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFinished(Event):
    """All steps of an operation are done."""

    address: Address
    verb: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFailed(Event):
    """A step failed; what depends on it is skipped, all else goes on."""

    address: Address
    verb: str
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSkipped(Event):
    """Not started, since ``because`` failed or a stop was asked for."""

    address: Address
    verb: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyFinished(Event):
    """The walk is over. ``serial`` is the state's."""

    done: int
    failed: int
    skipped: int
    serial: int


Emit = Callable[[Event], None]
