"""State after every step: intent before the call, outcome after it, a read-back at the change's end (I10)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.applying import rows
from reconciler.applying.facts import facts
from reconciler.errors import DamagedStore, HostError, NotRecorded, ReadBackFailed, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Operation, Outcome, Step
from reconciler.model.ports import Services
from reconciler.model.readdress import readdressed
from reconciler.model.recorded import Intent, Recorded, Standing
from reconciler.resources import registry
from reconciler.resources.kind import Observation, Target
from reconciler.resources.live_services import LiveServices
from reconciler.resources.planned import Planned
from reconciler.state.store import StateStore


class Recorder:
    """Writes the state for one apply. Threads share it; the store serialises what they write."""

    def __init__(self, store: StateStore, services: Services, planned: Planned) -> None:
        self._store = store
        self._services = services
        self._planned = planned
        self._rows: dict[Address, Recorded | None] = dict(planned.rows)
        self._left = {(intent.address, intent.step): intent for intent in store.open_intents()}
        self._lock = threading.Lock()

    def row(self, address: Address) -> Recorded | None:
        """The newest row of a resource."""
        with self._lock:
            if address not in self._rows:
                self._rows[address] = self._store.get(address)
            return self._rows[address]

    def attributes(self, address: Address) -> Mapping[str, Any]:
        """See ``Services.attributes``."""
        return rows.attributes_of(self.row(address))

    def begin(self, change: Change, operation: Operation, step: Step) -> Intent:
        """Make the step's intent durable. The token is new, unless an interrupted apply left the same request open.

        Another request under the same name is over: ``recover`` has looked, before anything was planned, whether it
        was carried out, and the plan is made from what was there. What it half did its provider takes up or back."""
        told = facts(step)
        left = self._left.pop((change.address, step.id), None)
        if left is not None and not step.same_request(left.facts, told):
            self._store.abandon(left, f"{step.id} was asked for anew, on other facts")
        row = self.row(change.address)
        resource = self._planned.declared.get(change.address)
        provider = row.provider if row is not None else resource.provider if resource is not None else None
        random = self._services.random
        return self._store.begin(
            change.address,
            provider=provider or "",
            step=step.id,
            verb=str(operation.verb),
            facts=told,
            uid=random.bytes(16).hex() if row is None else row.uid,
            token=random.bytes(16).hex(),
        )

    def finish(self, intent: Intent, outcome: Outcome, *, is_last: bool) -> int:
        """Make the step's outcome durable, and with the last one the change; the state's new serial.

        ReadBackFailed when the object is not there after its change; NotRecorded when the state cannot be written."""
        address = intent.address
        resource = self._planned.declared.get(address)
        row = rows.after_step(self.row(address), resource, intent, outcome)
        if is_last and row is not None and resource is not None:
            row = rows.settled(row, resource, self._read_back(row), self._identity)
        try:
            serial = self._store.finish(intent, row)
        except (HostError, DamagedStore) as error:
            raise _not_recorded(intent, outcome, error) from error
        with self._lock:
            self._rows[address] = row
        return serial

    def readdress(self) -> None:
        """Move the rows of renamed resources, all in one commit, before anything else is done. What an interrupted
        apply began under the old address stays open there, and is closed by the apply that needs it no more."""
        if not self._planned.renames:
            return
        before = self._store.all()
        moved = [
            after
            for row, after in zip(before, readdressed(before, self._planned.renames), strict=True)
            if after is not row
        ]
        self._store.settle(moved, gone=self._planned.renames)
        with self._lock:
            self._rows.update((row.address, row) for row in moved)

    def settle_examined(self) -> int:
        """Write what needs no step: a manifest that only reads differently, an object that is kept or forgotten."""
        written: list[Recorded] = []
        gone: list[Address] = []
        for change in self._planned.examined:
            row = self.row(change.address)
            if change.operations or change.blocked or row is None:
                continue
            resource = self._planned.declared.get(change.address)
            if change.action is Action.FORGET:
                gone.append(change.address)
            elif change.action is Action.RETAIN:
                written += [] if row.standing is Standing.RETAINED else [replace(row, standing=Standing.RETAINED)]
            elif resource is not None and change.action is Action.NOOP:
                observation = self._planned.observed.get(change.address)
                fresh = rows.settled(row, resource, observation, self._identity)
                written += [] if fresh == row else [fresh]
        return self._store.settle(written, gone=gone)

    def accept_observations(self) -> int:
        """``--refresh-only``: remember what was observed. The rows stay unsettled, so the next plan looks closely."""
        written: list[Recorded] = []
        for change in self._planned.examined:
            row = self.row(change.address)
            if row is not None:
                observation = self._planned.observed.get(change.address)
                observed = None if observation is None else observation.model_dump_json()
                written.append(replace(row, observed=observed, settled=False))
        return self._store.settle(written, why="what was observed is recorded as it is (--refresh-only)")

    def _read_back(self, row: Recorded) -> Observation:
        target = Target(address=row.address, provider=row.provider, attributes=row.attributes, observed=row.observed)
        services = LiveServices(self._services, self.attributes)
        seen = registry.kind(row.address.kind).observe([target], services).get(row.address)
        if seen is None:
            raise ReadBackFailed(
                f"{row.address} was changed, and its provider does not show it",
                address=row.address,
                suggestion="Run apply again: it looks at what is there and goes on from that.",
            )
        found: Observation = seen
        return found

    def _identity(self, address: Address) -> str | None:
        row = self.row(address)
        return None if row is None else row.identity


def _not_recorded(intent: Intent, outcome: Outcome, error: ReconcilerError) -> NotRecorded:
    identity = outcome.attributes.get("id")
    left = "the object is gone" if outcome.gone else "it changed" if identity is None else f"it is there as {identity}"
    return NotRecorded(
        f"{intent.address}: {intent.step} was carried out ({left}), and that could not be recorded",
        detail=error.summary,
        suggestion=f"{error.suggestion or 'Mend that.'} Then run apply again: the step stands in the journal as begun, "
        "so the next apply looks first for what it did.",
        address=intent.address,
    )
