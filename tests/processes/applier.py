"""One of several appliers: changes the project and applies it, again and again, each apply a process of its own that is
stopped, overtaken, killed or let be (T7).

    python -m tests.processes.applier PROJECT BESIDE WORKER APPLIES SEED

The processes are forked from this one, which has imported what they need: an apply then costs what it does, and not
what starting Python costs. Only children that were not waited for yet are ever signalled.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reconciler.applying.step_services import OneStep
from reconciler.cli import main
from tests.processes.project import Change, Project

LOCK_TIMEOUT: Final = "60s"
_LONGEST_SECONDS: Final = 120.0
_FATES: Final = {
    "let be": 50,
    "stopped": 10,
    "overtaken": 8,
    "overtaken at a step": 14,
    "overtaken and killed": 3,
    "killed": 10,
    "killed at all": 5,
}


@dataclass
class Child:
    """A forked process; ``code`` is its exit code once it has ended, negative after a signal."""

    pid: int
    code: int | None = None

    def ends_within(self, seconds: float, *, or_stops: bool = False) -> bool:
        until = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                if or_stops:
                    return False
            elif pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= until:
                return False
            else:
                time.sleep(0.001)
        return True

    def signal(self, number: signal.Signals) -> bool:
        """Send it; False when the process had ended."""
        if self.ends_within(0):
            return False
        os.kill(self.pid, number)
        return True


class Applier:
    """One worker."""

    def __init__(self, project: Project, worker: int, seed: int) -> None:
        self._project = project
        self._worker = worker
        self._chance = random.Random(f"{seed}/{worker}")  # noqa: S311  # decides who is stopped when

    def run(self, applies: int) -> None:
        for _ in range(applies):
            self._apply(self._project.change(self._worker))

    def _apply(self, change: Change) -> None:
        (fate,) = self._chance.choices(list(_FATES), list(_FATES.values()))
        stops_at = self._chance.randrange(4) if fate == "overtaken at a step" else None
        child = self._fork("apply", "--auto-approve", "--lock-timeout", LOCK_TIMEOUT, stops_at=stops_at)
        if fate == "overtaken at a step":
            child.ends_within(_LONGEST_SECONDS, or_stops=True)
            self._befall(fate, child)
        elif fate == "killed at all":
            child.ends_within(self._chance.uniform(0, 0.3))
            self._kill(child)
        elif fate != "let be" and self._holds_the_lock(child):
            child.ends_within(self._chance.uniform(0, 0.06))
            self._befall(fate, child)
        if not child.ends_within(_LONGEST_SECONDS):
            child.signal(signal.SIGKILL)
            self._project.note("wrong", f"change {change.number}: the apply never ended")
            child.ends_within(5)
        self._project.note("codes", str(child.code))
        if child.code == 0:
            self._project.note("acknowledged", f"{change.number} {change.worker}")
        elif child.code not in (6, 7, -signal.SIGKILL):
            output = (self._project.beside / f"apply-{self._worker}").read_text()
            self._project.note("wrong", f"change {change.number} ended with {child.code}: {output}")

    def _befall(self, fate: str, child: Child) -> None:
        if fate == "killed":
            self._kill(child)
            return
        if not child.signal(signal.SIGSTOP):
            return
        self._project.note("stops", fate)
        if fate == "stopped":
            time.sleep(self._chance.uniform(0.01, 0.2))
        else:
            # The stopped process may hold the write lock of a store, which nobody gets past: then it goes on first.
            breaking = self._fork("lock", "break", "--auto-approve")
            if breaking.ends_within(2.0) and breaking.code == 0:
                self._project.note("breaks", str(child.pid))
            time.sleep(self._chance.uniform(0.05, 0.6))  # others go on meanwhile
            if fate == "overtaken and killed":
                self._kill(child)
            child.signal(signal.SIGCONT)
            breaking.ends_within(_LONGEST_SECONDS)
        child.signal(signal.SIGCONT)

    def _kill(self, child: Child) -> None:
        if child.signal(signal.SIGKILL):
            self._project.note("kills", str(child.pid))

    def _holds_the_lock(self, child: Child) -> bool:
        """Wait until it does; False when it ended without."""
        uri = f"{self._project.state_path.as_uri()}?mode=ro"
        while not child.ends_within(0.002):
            with closing(sqlite3.connect(uri, uri=True)) as state:
                if state.execute("SELECT pid FROM lease WHERE held = 1").fetchone() == (child.pid,):
                    return True
        return False

    def _fork(self, *command: str, stops_at: int | None = None) -> Child:
        pid = os.fork()
        if pid:
            return Child(pid)
        code = 70
        try:
            if stops_at is not None:
                stop_before_effect(stops_at)
            out = os.open(
                self._project.beside / f"{command[0]}-{self._worker}",
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND,
                0o600,
            )
            os.dup2(out, 1)
            os.dup2(out, 2)
            code = main(["-C", str(self._project.folder), *command])
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def stop_before_effect(number: int) -> None:
    """This process stops itself between the intent and the effect of a step: there an overtaken one is most dangerous,
    and a moment chosen by the clock hits it seldom."""
    begun = itertools.count()
    make = OneStep.__init__

    def made(*arguments: Any, **named: Any) -> None:
        make(*arguments, **named)
        if next(begun) == number:
            # To this thread: one to the process may reach another thread first, and this one would go on meanwhile.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    OneStep.__init__ = made  # type: ignore[method-assign]  # in this one child


def warm_up() -> None:
    """Have everything imported that an apply of such a project imports."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Project(Path(folder) / "project", Path(folder) / "beside")
        scratch.make()
        for number in range(3):
            scratch.change(number)
            if main(["-C", str(scratch.folder), "apply", "--auto-approve"]) != 0:
                raise SystemExit("the project cannot be applied even by one alone")


if __name__ == "__main__":
    os.environ["RECONCILER_DEBUG"] = "1"
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    warm_up()
    place, aside, worker, applies, seed = sys.argv[1:]
    Applier(Project(Path(place), Path(aside)), int(worker), int(seed)).run(int(applies))
