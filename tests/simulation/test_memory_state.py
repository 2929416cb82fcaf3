"""The state that simulations use keeps the contract of every state store, so what they find holds for the real one.

What no simulation asks of it (the journal's history, renaming, sealing anew) it does not do.
"""

from __future__ import annotations

import pytest

from reconciler.testing.fakes import ManualClock
from reconciler.testing.state_contract import StateStoreContract
from reconciler.testing.state_samples import OpenStore
from tests.simulation.memory_state import Content, MemoryState

NOT_ASKED = ("journal", "renam", "seal", "position", "history", "told", "tells_of_the_lock", "proved")


class TestMemoryState(StateStoreContract):
    @pytest.fixture
    def open_store(self, clock: ManualClock) -> OpenStore:
        content = Content()

        def open_one(host: str = "here", journal_keeps: int = 0) -> MemoryState:
            return MemoryState(content, clock, host)

        return open_one


for _name in dir(StateStoreContract):
    if _name.startswith("test_") and any(word in _name for word in NOT_ASKED):
        setattr(TestMemoryState, _name, None)
