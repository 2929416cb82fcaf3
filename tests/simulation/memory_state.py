"""A ``StateStore`` in memory, as quick as a simulation needs it; it keeps the contract of every state store.

Several handles on one ``Content`` are several processes with the same state. What the real store does about damage and
forgery (MACs, reseal) is not here: tests/state has that.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, NoReturn

from reconciler.errors import LockHeld, StalePlan, UsageError
from reconciler.model.address import Address
from reconciler.model.ports import Clock, Fence
from reconciler.model.readdress import readdressed
from reconciler.model.recorded import Intent, Recorded
from reconciler.state.store import Checked, Entry, Head, Holder, Position

LEASE_SECONDS = 60.0


class Ended(NamedTuple):
    """How an intent ended."""

    result: str
    serial: int


@dataclass
class Content:
    """What all handles see."""

    lineage: str = "11111111-2222-4333-8444-555555555555"
    serial: int = 0
    token: int = 0
    holder: Holder | None = None
    rows: dict[Address, Recorded] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    pending: dict[tuple[Address, str], Intent] = field(default_factory=dict)
    ended: dict[int, Ended] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


class MemoryState:
    """One process's handle; ``host`` is where it runs, and who lives there is never overtaken by its clock."""

    def __init__(self, content: Content, clock: Clock, host: str = "here") -> None:
        self._content = content
        self._clock = clock
        self._host = host
        self._token: int | None = None
        self._found = Position(0, 0, "")

    @property
    def lineage(self) -> str:
        return self._content.lineage

    @property
    def serial(self) -> int:
        return self._content.serial

    @property
    def found(self) -> Position:
        return self._found

    @property
    def fence(self) -> Fence | None:
        """Who writes."""
        return None if self._token is None else Fence(self._content.lineage, self._token)

    def heads(self) -> dict[Address, Head]:
        return {
            row.address: Head(
                row.address, row.digest, row.identity, row.links, row.due_at, row.settled, str(row.standing)
            )
            for row in self.all()
        }

    def get(self, address: Address) -> Recorded | None:
        return self._content.rows.get(address)

    def all(self) -> list[Recorded]:
        return [row for _, row in sorted(self._content.rows.items())]

    def open_intents(self) -> Sequence[Intent]:
        return sorted(self._content.pending.values(), key=lambda intent: intent.number)

    def plan_was_used(self, plan_id: str) -> bool:
        return plan_id in self._content.used

    def position(self) -> Position:
        return Position(self._content.token, self._content.serial, "")

    def history(self, address: Address | None = None) -> Sequence[Entry]:
        return []

    def check(self) -> Checked:
        return Checked(len(self._content.rows), len(self._content.intents), len(self._content.used))

    def lock_holder(self) -> Holder | None:
        return self._content.holder

    def close(self) -> None:
        """Nothing is held."""

    def acquire(self, command: str, *, timeout: float, over: int | None = None) -> Holder:
        content, waited = self._content, 0.0
        while True:
            found, now = content.holder, self._clock.now().timestamp()
            if found is not None and found.token == self._token:
                return found
            is_over = found is not None and found.token == over
            if found is None or is_over or (found.host != self._host and now >= found.expires):
                self._found = self.position()
                content.token += 1
                self._token = content.token
                content.holder = self._as_holder(command, now)
                return content.holder
            if waited >= timeout:
                raise LockHeld(
                    f'The state is locked by {found.who} on {found.host}, running "{found.command}"',
                    suggestion="Wait for it.",
                )
            pause = min(0.2, timeout - waited)
            self._clock.sleep(pause)
            waited += pause

    def heartbeat(self) -> None:
        self._check_fence()
        if self._content.holder is not None:
            expires = self._clock.now().timestamp() + LEASE_SECONDS
            self._content.holder = replace(self._content.holder, expires=expires)

    def release(self) -> None:
        if self._content.holder is not None and self._content.holder.token == self._token:
            self._content.holder = None
        self._token = None

    def begin(
        self, address: Address, *, provider: str, step: str, verb: str, facts: Mapping[str, Any], uid: str, token: str
    ) -> Intent:
        self._check_fence()
        content = self._content
        begun = content.pending.get((address, step))
        if begun is not None:
            return begun
        if address in content.rows:
            content.rows[address] = replace(content.rows[address], settled=False)
        intent = Intent(
            number=len(content.intents) + 1,
            address=address,
            uid=uid,
            provider=provider,
            step=step,
            verb=verb,
            token=token,
            facts=copy.deepcopy(dict(facts)),
        )
        content.intents.append(intent)
        content.pending[address, step] = intent
        return intent

    def finish(self, intent: Intent, row: Recorded | None) -> int:
        self._check_fence()
        content = self._content
        if intent.number in content.ended:
            self._require(intent, "done")
            return content.ended[intent.number].serial
        if row is not None:
            json.dumps(row.attributes)
        content.serial += 1
        if row is None:
            content.rows.pop(intent.address, None)
        else:
            content.rows[row.address] = replace(row, serial=content.serial)
        self._end(intent, "done")
        return content.serial

    def settle(self, rows: Iterable[Recorded], *, gone: Iterable[Address] = (), why: str = "") -> int:
        written, content = list(rows), self._content
        self._check_fence()
        for row in written:
            json.dumps(row.attributes)  # what cannot be kept fails before anything is changed
        removed = [content.rows.pop(address) for address in gone if address in content.rows]
        if written or removed:
            content.serial += 1
        for row in written:
            content.rows[row.address] = replace(row, serial=content.serial)
        return content.serial

    def rename(self, source: Address, target: Address) -> Sequence[Address]:
        self._check_fence()
        content = self._content
        if source not in content.rows or target in content.rows:
            raise UsageError(f"{source} cannot be called {target}")
        before = list(content.rows.values())
        content.serial += 1
        content.rows = {
            row.address: replace(row, serial=content.serial) for row in readdressed(before, {source: target})
        }
        return [row.address for row in before if source in row.references]

    def reseal(self, rows: Iterable[Recorded], *, keeps_journal: bool, beyond: Position, why: str) -> NoReturn:
        raise AssertionError("nobody breaks the glass of a simulation")

    def abandon(self, intent: Intent, reason: str) -> None:
        self._check_fence()
        if intent.number in self._content.ended:
            self._require(intent, "abandoned")
            return
        self._end(intent, "abandoned")

    def mark_plan_used(self, plan_id: str) -> None:
        self._check_fence()
        if plan_id in self._content.used:
            raise StalePlan(f"The plan {plan_id} was applied already")
        self._content.used.add(plan_id)

    def _check_fence(self) -> None:
        holder = self._content.holder
        if self._token is None or holder is None or holder.token != self._token:
            raise LockHeld("The lock on the state is not held by this run, so it writes nothing")

    def _end(self, intent: Intent, result: str) -> None:
        self._content.ended[intent.number] = Ended(result, self._content.serial)
        self._content.pending.pop((intent.address, intent.step), None)

    def _require(self, intent: Intent, result: str) -> None:
        ended = self._content.ended[intent.number]
        if ended.result != result:
            raise ValueError(f"intent {intent.number} is {ended.result}, not {result}")

    def _as_holder(self, command: str, now: float) -> Holder:
        return Holder(
            token=self._content.token,
            who="somebody",
            host=self._host,
            boot_id=self._host,
            pid=1,
            started=1,
            command=command,
            since=now,
            expires=now + LEASE_SECONDS,
        )
