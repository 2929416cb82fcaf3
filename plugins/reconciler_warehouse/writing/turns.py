"""Whose turn it is: a statement that others were quicker than, several times, has them wait for it.

Each passes a gate before it begins. Who keeps the gate closed meets only those that had begun before, each of which
overtakes it once at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from reconciler.host.gate import gate
from reconciler.host.sqlite import translated
from reconciler_warehouse.site import Site

GATE: Final = "statements.gate"


@contextmanager
def at_ones_turn(site: Site, *, keep: bool) -> Iterator[None]:
    """Pass the warehouse's gate, waiting while somebody keeps it closed; with ``keep`` it stays closed for the time of
    the block. HostError."""
    path = site.folder / GATE
    with ExitStack() as passed:
        # Without a folder there is no warehouse yet, so no such cluster: told by whoever looks for it.
        with translated(path, "gate of statements"), suppress(FileNotFoundError):
            passed.enter_context(gate(path, keep=keep))
        yield
