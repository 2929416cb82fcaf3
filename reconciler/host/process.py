"""Which process this is, and whether another one still lives: what a lock needs to tell a dead holder (DESIGN 4).

Reads ``/proc`` only. Where there is none, a process is told by its id alone.
"""

from __future__ import annotations

import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path

_STATE_FIELD, _START_FIELD = 0, 19  # counted after the command's name, which is field 2 of 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process as others can find it again. ``started`` is its start tick, 0 where the system does not say.

    ``boot_id`` names the space that ``pid`` counts in: the boot and the pid namespace. Two containers with one host
    name share the boot, but not their process ids.
    """

    who: str
    host: str
    boot_id: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> Process:
        """This process."""
        pid = os.getpid()
        found = _stat(pid)
        return cls(
            who=_user(), host=socket.gethostname(), boot_id=_boot_id(), pid=pid, started=found[1] if found else 0
        )

    def sees(self, host: str, boot_id: str) -> bool:
        """Whether process ids of that host and boot mean the same here."""
        return (self.host, self.boot_id) == (host, boot_id)


def is_dead(pid: int, started: int) -> bool:
    """Whether the process ``pid`` of this host that began at tick ``started`` has ended. A zombie has; a later process
    that was given the same id is not it."""
    found = _stat(pid)
    if found is None:
        return not _answers(pid)
    state, tick = found
    return state in ("Z", "X") or started not in (0, tick)


def _stat(pid: int) -> tuple[str, int] | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = line.rpartition(")")[2].split()  # the command's name may hold spaces and parentheses
    return fields[_STATE_FIELD], int(fields[_START_FIELD])


def _answers(pid: int) -> bool:
    """Without ``/proc``, or with one that hides the processes of others."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot_id() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
