"""Whose turn it is: a statement that others were quicker than, several times, has them wait for it.

Each passes a gate before it begins. Who keeps the gate closed meets only those that had begun before, each of which
overtakes it once at most. A lock on a file, so it goes with its process, and a killed one holds nobody up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.host.sqlite import explain_os_error
from reconciler_warehouse.site import Site

GATE = "statements.gate"


@contextmanager
def at_ones_turn(site: Site, cluster: str, *, keep: bool) -> Iterator[None]:
    """Pass the warehouse's gate, waiting while somebody keeps it closed; with ``keep`` it stays closed for the time of
    the block. HostError."""
    path = site.folder / GATE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # there is no warehouse yet, so no such cluster: told by whoever looks for it
        yield
        return
    except OSError as error:
        raise explain_os_error(error, path, "gate of statements") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not keep:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        yield
    finally:
        os.close(descriptor)
