"""Peak memory of a whole process that encrypts, re-seals or scans a table, at four sizes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from whole_process import measure

SIZES = (1, 2, 4, 8)  # times ``rows``
STEPS = ("nothing", "load", "encrypt", "scan")
GROWTH = 1.25  # of the whole process's peak, from the second size to the last: four times the rows


def compare(folder: Path, rows: int) -> None:
    """In a small process of its own: the peak that the kernel reports for a child is never below its parent's."""
    subprocess.run([sys.executable, __file__, "compare", str(folder), "", str(rows)], check=True)


def _compare(folder: Path, rows: int) -> None:
    """One child process a step and size; what each takes more than one that only opens the home."""
    print(f" peak of the process above start-up, MiB, at {', '.join(f'{one * rows:,}' for one in SIZES)} rows")
    peaks: dict[str, list[int]] = {step: [] for step in STEPS}
    for size in SIZES:
        home = folder / f"home-{size}"
        home.mkdir()
        subprocess.run([sys.executable, __file__, "nothing", str(folder), str(size), str(size * rows)], check=True)
        for step in STEPS:
            command = [sys.executable, __file__, step, str(folder), str(size), str(size * rows)]
            peaks[step].append(measure(command, home).memory)
    for step in STEPS[1:]:
        above = [(peak - idle) / 2**20 for peak, idle in zip(peaks[step], peaks["nothing"], strict=True)]
        grown = peaks[step][-1] / peaks[step][1]
        told = " ".join(f"{one:7.0f}" for one in above)
        verdict = f"aim <= x{GROWTH} {'reached' if grown <= GROWTH else 'MISSED'}"
        print(
            f"  {step:8s} {told}   whole process x{grown:.2f} from size {SIZES[1]} to {SIZES[-1]}  {verdict}",
            flush=True,
        )


def _child(step: str, folder: Path, size: str, rows: int) -> None:
    from warehouse_scan import QUERIES
    from warehouse_world import NONE, Home, make_file

    file = make_file(folder / f"{rows}.parquet", rows)  # by the first child, whose peak is not kept
    with Home(folder / f"home-{size}" / "home") as home:
        if step == "load":
            home.load("sealed", NONE, file)
        elif step == "encrypt":
            home.encrypt("sealed", home.key())
        elif step == "scan":
            home.select("sealed", QUERIES["full scan"])


if __name__ == "__main__":
    step, folder, size, rows = sys.argv[1:]
    if step == "compare":
        _compare(Path(folder), int(rows))
    else:
        _child(step, Path(folder), size, int(rows))
