"""Rows and observations of one plan, fetched when something first asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.model.recorded import Recorded
from reconciler.planning.refresh import refresh, remembered
from reconciler.resources.kind import Observation
from reconciler.state.store import Head, StateReader


@dataclass(slots=True, kw_only=True)
class Memory:
    """What is recorded, and what is there. ``observed`` holds what the refresh saw."""

    state: StateReader
    services: Services
    heads: Mapping[Address, Head]
    rows: dict[Address, Recorded] = field(default_factory=dict)
    observed: dict[Address, Observation | None] = field(default_factory=dict)

    def adopt(self, rows: Mapping[Address, Recorded], observed: Mapping[Address, Observation | None]) -> None:
        """What is to be managed from here on, as it would be recorded."""
        self.rows.update(rows)
        self.observed.update(observed)

    def row(self, address: Address) -> Recorded | None:
        """What the state records of a resource."""
        if address not in self.rows and address in self.heads:
            fetched = self.state.get(address)
            if fetched is not None:
                self.rows[address] = fetched
        return self.rows.get(address)

    def observation(self, row: Recorded) -> Observation | None:
        """What is there: as refreshed, else as remembered. What an interrupted change left is never taken from memory:
        observe, do not assume (I10)."""
        if row.address not in self.observed:
            if row.settled:
                self.observed[row.address] = remembered(row)
            else:
                self.observed.update(refresh([row], self.services))
        return self.observed[row.address]
