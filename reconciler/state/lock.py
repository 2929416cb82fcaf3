"""The lock's row: one holder, a lease, and a fencing token that only ever rises (I13, I14).

Works inside the caller's transaction. Who may take over: anybody from a holder that is dead on the same host, others
only when the lease has run out. The clock decides liveness alone; a holder that was overtaken is stopped by its token
(C8).
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import LockHeld
from reconciler.host.process import Process
from reconciler.state.liveness import TAKEN_OVER, liveness
from reconciler.state.meta import Lease
from reconciler.state.store import Holder

_COLUMNS = ("token", "who", "host", "boot_id", "pid", "started", "command", "since", "expires")


def holder(lease: Lease) -> Holder | None:
    """Who holds the lock, None when it is free."""
    return Holder(**dict(zip(_COLUMNS, lease[1:], strict=True))) if lease[0] == 1 else None


def may_take_over(found: Holder, here: Process, now: float) -> bool:
    """Whether the holder is certainly dead, or on another host with its lease run out. One that lives on this host
    keeps the lock however long it was stopped."""
    return liveness(found, here, now) in TAKEN_OVER


def take(
    connection: sqlite3.Connection, here: Process, command: str, *, last: int, now: float, lease_seconds: float
) -> Holder:
    """Become the holder, with a token higher than ``last``, which must be the newest."""
    taken = Holder(
        token=last + 1,
        who=here.who,
        host=here.host,
        boot_id=here.boot_id,
        pid=here.pid,
        started=here.started,
        command=command,
        since=now,
        expires=now + lease_seconds,
    )
    connection.execute(
        "UPDATE lease SET held = 1, token = ?, who = ?, host = ?, boot_id = ?, pid = ?, started = ?, command = ?,"
        " since = ?, expires = ?",
        [getattr(taken, column) for column in _COLUMNS],
    )
    return taken


def prolong(connection: sqlite3.Connection, expires: float) -> None:
    """Let the lease run until ``expires``."""
    connection.execute("UPDATE lease SET expires = ?", (expires,))


def give_back(connection: sqlite3.Connection, token: int) -> None:
    """Free the lock if ``token`` still holds it. The token stays, so the next one is higher."""
    connection.execute("UPDATE lease SET held = 0 WHERE token = ?", (token,))


def check_fence(lease: Lease, token: int | None, path: Path) -> int:
    """``token``, if it is the newest and its lock is held; LockHeld otherwise, before anything is written (I13)."""
    held, newest = lease[:2]
    if token is not None and held and newest == token:
        return token
    found = holder(lease)
    if token is None:
        raise LockHeld(
            f"The lock on the state at {path} is not held by this run, so it writes nothing",
            suggestion="Run the command again; it takes the lock first.",
        )
    by = "" if found is None else f" by {named(found)}"
    raise LockHeld(
        f"The lock on the state at {path} was {'broken or ' if found is None else ''}taken over{by}: its token is "
        f"{newest}, ours was {token}",
        detail="Nothing was written after that. What this run began stands in the journal.",
        suggestion="Run the command again when the other has finished; it takes up what was left.",
    )


def refusal(found: Holder, path: Path, here: Process, waited: float) -> LockHeld:
    """Exit 6, with who and what to do."""
    wait = f" (waited {waited:g} s)" if waited else ""
    if here.sees(found.host, found.boot_id):
        advice = (
            f"Wait for it (--lock-timeout 10m), or end process {found.pid}: the lock of a process that has ended is "
            "taken over at once."
        )
    else:
        advice = (
            f"Wait for it (--lock-timeout 10m). If {found.host} is gone for good, the lock is free when its lease "
            f"runs out, at {_time(found.expires)}."
        )
    return LockHeld(
        f"The state at {path} is locked by {named(found)} since {_time(found.since)}{wait}",
        detail=f"Fencing token {found.token}. Plan, drift and show take no lock and can be run meanwhile.",
        suggestion=advice,
    )


def named(found: Holder) -> str:
    """The holder, in words."""
    return f'{found.who} on {found.host}, process {found.pid}, running "{found.command}"'


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
