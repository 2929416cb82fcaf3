"""Work that is in no hurry leaves the processors to work that somebody waits for."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Final

_NICER: Final = 10
_NICEST: Final = 19


def step_aside() -> None:
    """This thread runs when others have nothing to do, and a little all the same. For the rest of its life: the system
    lets nobody take that back. No error where it is not possible."""
    thread = threading.get_native_id()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, min(_NICEST, os.getpriority(os.PRIO_PROCESS, thread) + _NICER))
