"""Times whole processes from outside: CPU time (user and system), wall time, peak memory.

CPU time is what is compared: the machine may be shared. The peak memory that the kernel reports for a child is never
below that of the process that started it, so whoever measures stays small and leaves large work to children.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

PRODUCT = (sys.executable, "-m", "reconciler")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took: seconds, seconds, bytes."""

    cpu: float
    wall: float
    memory: int

    @staticmethod
    def median(runs: Sequence[Usage]) -> Usage:
        """The median of each figure by itself."""
        return Usage(
            statistics.median(run.cpu for run in runs),
            statistics.median(run.wall for run in runs),
            int(statistics.median(run.memory for run in runs)),
        )

    def __str__(self) -> str:
        return f"{self.cpu:8.3f} s cpu {self.wall:8.3f} s wall {self.memory / 2**20:7.0f} MiB"


def measure(
    command: Sequence[str], folder: Path, *, exit_code: int = 0, variables: Mapping[str, str] | None = None
) -> Usage:
    """Run ``command`` in ``folder``. SystemExit, with the end of what it printed, when it ends otherwise than said."""
    log_path = folder / "measured.log"
    with log_path.open("wb") as output:
        begin = time.monotonic()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment(), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != exit_code:
        tail = log_path.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}, not {exit_code}:\n{tail}")
    return Usage(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * 1024)


def environment() -> dict[str, str]:
    """The caller's, without what would change either side. Compiled Python is kept, as an installation keeps it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RECONCILER_", "TF_"))}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**inherited, "CHECKPOINT_DISABLE": "1"}


def exponent(sizes: tuple[int, int], times: tuple[float, float], start_up: float = 0.0) -> float:
    """How time grows with size: 1 is linear. NaN where start-up hides it."""
    small, large = (max(each - start_up, 0.0) for each in times)
    return log(large / small) / log(sizes[1] / sizes[0]) if small and large else float("nan")


def ratio(ours: Iterable[float], peers: Iterable[float]) -> float | None:
    """The median of the ratios, pair by pair; None without a pair. A peer that ran less often is taken again."""
    others = list(peers)
    pairs = [a / b for a, b in zip(ours, itertools.cycle(others), strict=False)] if others else []
    return statistics.median(pairs) if pairs else None
