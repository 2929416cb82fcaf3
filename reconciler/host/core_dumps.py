"""No core dump of a process that holds keys (I19, RELIABILITY T14)."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def refuse_core_dumps() -> None:
    """From here to its end this process leaves no core file, and no other process of the user may read its memory.

    The limit alone is not enough: where cores are piped to a collector the kernel does not look at it. Best effort:
    what a system does not have is left out.
    """
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import ctypes  # slow to load, and a plan does without

    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
