"""StateReader and StateStore: what planning and applying need of the state (DESIGN 4). Narrow on purpose: PostgreSQL
follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from reconciler.model.address import Address
from reconciler.model.recorded import Intent, Recorded


class Head(NamedTuple):
    """The few columns that decide whether a resource needs a closer look; read for all resources at once, so a plain
    tuple with names: a dataclass costs twice as much at 10,000 rows."""

    address: Address
    digest: str | None
    identity: str | None
    links: str
    due_at: float | None
    settled: bool
    standing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock. ``since`` and ``expires`` are epoch seconds.

    ``boot_id`` names the space that ``pid`` counts in (one boot of one kernel, one pid namespace); with ``started``,
    the process's start tick, it tells a dead holder on the same host from a living one.
    """

    token: int
    who: str
    host: str
    boot_id: str
    pid: int
    started: int
    command: str
    since: float
    expires: float


class StateReader(Protocol):
    """The state, for those who only read: plan, drift, show."""

    @property
    def lineage(self) -> str:
        """The state's origin, made once (a UUID)."""

    @property
    def serial(self) -> int:
        """One more for each finished step and each settlement; 0 for a state in which nothing was ever done."""

    def heads(self) -> dict[Address, Head]:
        """All resources, briefly."""

    def get(self, address: Address) -> Recorded | None:
        """One resource."""

    def all(self) -> list[Recorded]:
        """All resources, ordered by address."""

    def open_intents(self) -> Sequence[Intent]:
        """Steps that were begun and have no outcome, oldest first (I10)."""

    def plan_was_used(self, plan_id: str) -> bool:
        """Whether a saved plan of that id was given to an apply already (I12)."""

    def lock_holder(self) -> Holder | None:
        """Who holds the lock, None when it is free. Says nothing of whether the holder lives."""

    def close(self) -> None:
        """Give the store back."""


class StateStore(StateReader, Protocol):
    """The state, for the one who holds its lock. Each call is one durable transaction; all but ``acquire`` raise
    LockHeld when the caller's fencing token is no longer the newest (I13)."""

    def acquire(self, command: str, *, timeout: float) -> Holder:
        """Take the lock, waiting up to ``timeout`` seconds, with a token higher than any before. A holder that is
        dead on this host is taken over at once; one on another host when its lease has run out; a living one never.
        LockHeld names the holder."""

    def heartbeat(self) -> None:
        """Prolong the lease."""

    def release(self) -> None:
        """Give the lock back; no error when it was taken over."""

    def begin(
        self, address: Address, *, provider: str, step: str, verb: str, facts: Mapping[str, Any], uid: str, token: str
    ) -> Intent:
        """Make a step's intent durable before its call. An open intent for the same address and step is answered
        instead, with its own ``uid`` and ``token``, so a step taken up again repeats its token (I10). Marks the
        resource's row unsettled."""

    def finish(self, intent: Intent, row: Recorded | None) -> int:
        """The step's outcome: write ``row`` (None removes that of the intent's address) and close the intent, in one
        transaction; the new serial, which the row then carries. Finishing it again changes nothing and answers the
        serial of the first time."""

    def settle(self, rows: Iterable[Recorded], *, gone: Iterable[Address] = ()) -> int:
        """Forget ``gone``, then write rows outside of any step (observation after a change, retained objects), in one
        transaction; the new serial. Nothing to write or forget: the serial as it is."""

    def abandon(self, intent: Intent, reason: str) -> None:
        """Close an intent that observing found undone. The row stays unsettled, so the next plan looks closer."""

    def mark_plan_used(self, plan_id: str) -> None:
        """A saved plan is single use. StalePlan when it was used."""
