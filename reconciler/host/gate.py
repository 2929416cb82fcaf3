"""A gate that everybody passes, and that one may keep closed for a while.

Who keeps it closed meets only those that had passed before: whoever comes later waits. The lock is the system's, so it
goes with its process, and a killed one holds nobody up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def gate(path: Path, *, keep: bool) -> Iterator[None]:
    """Pass, waiting while somebody keeps it closed; with ``keep`` it stays closed for the time of the block. The file
    is made when absent. OSError for what the system refuses."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not keep:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        yield
    finally:
        os.close(descriptor)
