"""StateReader and StateStore: what planning and applying need of the state (DESIGN 4). Narrow on purpose: PostgreSQL
follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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


class What(StrEnum):
    """What an entry of the journal tells of."""

    TAKEN = "taken"  # the lock, by the run that the text names
    BEGUN = "begun"
    DONE = "done"
    ABANDONED = "abandoned"
    NOTED = "noted"  # no step: something was renamed, forgotten or sealed anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the journal. ``seq`` counts all entries; ``number`` is the ``seq`` of the entry that began what this
    one ends, its own for any other. ``serial`` is the state's after it, ``token`` the fencing token of the run that
    wrote it, ``at`` epoch seconds. ``text`` is why, or who."""

    seq: int
    number: int
    what: What
    address: Address | None
    step: str
    verb: str
    serial: int
    token: int
    at: float
    text: str


class Position(NamedTuple):
    """How far a state has come: its newest fencing token, its serial, and (hex) a digest of all that it holds. What a
    key service remembers of it, so that an older copy put back is noticed (I16)."""

    token: int
    serial: int
    head: str


class Checked(NamedTuple):
    """What was proved: how many rows, journal entries, and uses of saved plans."""

    rows: int
    entries: int
    plans: int


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
    """The state, for those who only read: plan, drift, show. NotAuthentic when what is read is not what was written
    (I9): rows and open intents each time, and that none is missing; the whole journal by ``check``."""

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

    def position(self) -> Position:
        """How far the state has come."""

    def history(self, address: Address | None = None) -> Sequence[Entry]:
        """The journal's entries, oldest first: all that are kept, or those about one resource. Not proved; ``check``
        does that."""

    def check(self) -> Checked:
        """Prove everything that the state holds, the whole journal included. NotAuthentic, JournalTruncated."""

    def lock_holder(self) -> Holder | None:
        """Who holds the lock, None when it is free. Says nothing of whether the holder lives."""

    def close(self) -> None:
        """Give the store back."""


class StateStore(StateReader, Protocol):
    """The state, for the one who holds its lock. Each call is one durable transaction; all but ``acquire`` and
    ``release`` raise LockHeld when the caller's fencing token is no longer the newest (I13)."""

    @property
    def found(self) -> Position:
        """The position in which ``acquire`` found the state."""

    def acquire(self, command: str, *, timeout: float, over: int | None = None) -> Holder:
        """Take the lock, waiting up to ``timeout`` seconds, with a token higher than any before. A holder that is
        dead on this host is taken over at once; one on another host when its lease has run out; a living one never,
        unless its token is ``over`` (``lock break``).
        The journal then lets closed entries go that are older than those it keeps. LockHeld names the holder;
        NotAuthentic, before anything of the state is obeyed (I9)."""

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

    def settle(self, rows: Iterable[Recorded], *, gone: Iterable[Address] = (), why: str = "") -> int:
        """Forget ``gone``, then write rows outside of any step (observation after a change, retained objects), in one
        transaction; the new serial. Nothing to write or forget: the serial as it is. With ``why`` the journal tells of
        each that is written or forgotten."""

    def rename(self, source: Address, target: Address) -> Sequence[Address]:
        """Give the row of ``source`` the address ``target``, and have all rows that refer to it follow, in one
        transaction; the addresses of those rows. The journal tells of it. UsageError when there is no such row, when
        the target is taken or of another kind, or when a step of either is open."""

    def reseal(self, rows: Iterable[Recorded], *, keeps_journal: bool, beyond: Position, why: str) -> Holder:
        """Break glass (``state reseal``): whatever its proofs say, take the lock, replace all rows by ``rows``, forget
        the journal with its open intents unless ``keeps_journal``, and prove all of it anew under the present seal.
        Token and serial are higher than any before, and than those of ``beyond``. The journal tells of it. LockHeld for
        a living holder whose lock is not in doubt itself."""

    def abandon(self, intent: Intent, reason: str) -> None:
        """Close an intent that observing found undone. The row stays unsettled, so the next plan looks closer."""

    def mark_plan_used(self, plan_id: str) -> None:
        """A saved plan is single use. StalePlan when it was used."""
