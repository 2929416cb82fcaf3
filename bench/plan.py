#!/usr/bin/env python3
"""What plan and validate cost, as ratios to Terraform planning the same number of resources (PERFORMANCE.md 6, 1–3).

usage: bench/plan.py [N ...] [--rounds R] [--peer-rounds R] [--peer-limit N] [--docs-per-file K]

Whole processes, timed from outside, in turn (ours, the peer's, and again); medians, and the median of the ratios of
each round: validate and the plan against an empty state beside the peer's, all else beside its no-op plan. Nothing is
refreshed here (the state is synthesised: bench/recorded.py); bench/refresh.py measures refresh.

  validate              all manifests read and checked, no cache
  plan, empty state     the same, then everything is to be created
  no-op plan            no cache of manifests: everything is read again, and nothing is to do (goal 1)
  re-plan               the same again: nothing changed since (goal 2)
  re-plan, 1 % changed  1 % of the files have another text: those are read, and their changes are planned (goal 2)
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from terraform import Terraform, find_program
from whole_process import PRODUCT, Usage, environment, exponent, measure, ratio

HERE = Path(__file__).resolve().parent
START_UP = 23  # resources of the world that stands for start-up: the Providers and one group
NOOP = "no-op plan"
SHARED = ("validate", "plan, empty state", NOOP, "re-plan, 1 % changed")
STEPS = ("validate", "plan, empty state", NOOP, "re-plan", "re-plan, 1 % changed")
CPU_AIMS = {
    (NOOP, 1_000): 1 / 12,
    (NOOP, 10_000): 1 / 50,
    ("re-plan", 1_000): 1 / 12,
    ("re-plan", 10_000): 1 / 200,
    ("re-plan, 1 % changed", 10_000): 1 / 100,
}
MEMORY_AIMS = {(NOOP, 10_000): 1 / 10, ("re-plan", 10_000): 1 / 10}
EXPONENT_AIM = 1.05

Runs = dict[str, list[Usage]]


class Product:
    """The product in a folder with a world of ``count`` resources that its state calls applied."""

    def __init__(self, count: int, folder: Path, docs_per_file: int) -> None:
        self._world = [str(count), str(folder), "--docs-per-file", str(docs_per_file)]
        self._folder = folder
        folder.mkdir()
        self.write()
        child("recorded.py", str(count), str(folder))

    def write(self, change: float = 0.0) -> None:
        """The world's manifests; ``change`` percent of the files otherwise."""
        child("world.py", *self._world, "--change", str(change))

    def steps(self) -> Iterator[tuple[str, Callable[[], Usage]]]:
        """The measured steps, in an order in which each finds what it needs."""
        yield "validate", lambda: self._uncached("validate")
        yield "plan, empty state", lambda: self._run("plan", "-e", "empty", "--detailed-exitcode", exit_code=2)
        yield NOOP, lambda: self._uncached("plan", "--no-refresh", "--detailed-exitcode")
        yield "re-plan", lambda: self._run("plan", "--no-refresh", "--detailed-exitcode")
        yield "re-plan, 1 % changed", self._changed

    def _changed(self) -> Usage:
        self.write(change=1)
        used = self._run("plan", "--no-refresh", "--detailed-exitcode", exit_code=2)
        self.write()
        return used

    def _uncached(self, *arguments: str) -> Usage:
        shutil.rmtree(self._folder / ".reconciler" / "cache", ignore_errors=True)
        return self._run(*arguments)

    def _run(self, *arguments: str, exit_code: int = 0) -> Usage:
        return measure([*PRODUCT, *arguments], self._folder, exit_code=exit_code)


class Peer:
    """Terraform with the same world."""

    def __init__(self, count: int, folder: Path, program: str) -> None:
        self._count = count
        self._folder = folder
        child("terraform.py", str(count), str(folder))
        self._terraform = Terraform(folder, program)

    def run(self, step: str) -> Usage:
        """The peer's form of one of the ``SHARED`` steps."""
        if step == "validate":
            return self._terraform.validate()
        if step == "plan, empty state":
            return self._terraform.plan_cold()
        if step == NOOP:
            return self._terraform.plan_noop()
        child("terraform.py", str(self._count), str(self._folder), "--change", "1")
        used = self._terraform.plan_changed()
        child("terraform.py", str(self._count), str(self._folder))
        return used


def child(script: str, *arguments: str) -> None:
    """Run one of the scripts beside this one, so that its memory is not this process's."""
    subprocess.run(
        [sys.executable, str(HERE / script), *arguments], check=True, stdout=subprocess.DEVNULL, env=environment()
    )


def compare(count: int, rounds: int, peer_rounds: int, docs_per_file: int) -> tuple[Runs, Runs]:
    """All runs of one size: ours and the peer's, by step, made in turn."""
    ours: Runs = {step: [] for step in STEPS}
    theirs: Runs = {step: [] for step in SHARED}
    program = find_program()
    with tempfile.TemporaryDirectory(prefix="bench-plan-") as name:
        product = Product(count, Path(name) / "product", docs_per_file)
        peer = Peer(count, Path(name) / "peer", program) if program and peer_rounds else None
        for number in range(max(rounds, peer_rounds)):
            for step, run in product.steps():
                if number < rounds:
                    ours[step].append(run())
                if peer is not None and number < peer_rounds and step in SHARED:
                    theirs[step].append(peer.run(step))
    return ours, theirs


def report(count: int, ours: Runs, theirs: Runs) -> None:
    """One size's table."""
    print(f"\n{count:,} resources: median of {len(ours[NOOP])} runs, of the peer's {len(theirs[NOOP])}")
    for step in STEPS:
        used = Usage.median(ours[step])
        print(f"  {step:21s} {used} {used.cpu / count * 1e6:7.0f} µs/resource{_against(count, step, ours, theirs)}")
    for step in SHARED:
        if theirs[step]:
            print(f"  Terraform {step:21s} {Usage.median(theirs[step])}", flush=True)


def _against(count: int, step: str, ours: Runs, theirs: Runs) -> str:
    peers = theirs[step if step in ("validate", "plan, empty state") else NOOP]
    cpu = ratio((run.cpu for run in ours[step]), (run.cpu for run in peers))
    memory = ratio((run.memory for run in ours[step]), (run.memory for run in peers))
    if cpu is None or memory is None:
        return ""
    place = (step, count)
    return f"   cpu {_verdict(cpu, CPU_AIMS.get(place))}, memory {_verdict(memory, MEMORY_AIMS.get(place))}"


def _verdict(found: float, aim: float | None) -> str:
    text = f"1/{1 / found:.0f}"
    if aim is None:
        return text
    return f"{text} (aim 1/{1 / aim:.0f}: {'met' if found <= aim else 'MISSED'})"


def report_growth(results: dict[int, Runs], start: Runs) -> None:
    """Exponents between the sizes, with the start-up (a world of one group) taken off."""
    sizes = sorted(results)
    pairs = [*itertools.pairwise(sizes), *([(sizes[0], sizes[-1])] if len(sizes) > 2 else [])]
    print("\ngrowth exponent of cpu time, start-up subtracted")
    for step in STEPS:
        begin = Usage.median(start[step]).cpu
        found = []
        for pair in pairs:
            small, large = (Usage.median(results[size][step]).cpu for size in pair)
            value = exponent(pair, (small, large), begin)
            aim = f" (aim {EXPONENT_AIM})" if pair == (1_000, 100_000) else ""
            found.append(f"{pair[0]:,} → {pair[1]:,}: {value:.2f}{aim}")
        print(f"  {step:21s} start-up {begin:.3f} s; {'; '.join(found)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-rounds", type=int, help="default: as --rounds up to 2,000 resources, else 1")
    parser.add_argument("--peer-limit", type=int, default=10_000, help="no peer beyond this size; 0: none at all")
    parser.add_argument("--docs-per-file", type=int, default=20)
    given = parser.parse_args(arguments)
    if find_program() is None:
        print("terraform is not on the path: no ratios", flush=True)
    start, _ = compare(START_UP, given.rounds, 0, given.docs_per_file)
    results = {}
    for count in given.count:
        usual = given.rounds if count <= 2_000 else 1
        peer_rounds = usual if given.peer_rounds is None else given.peer_rounds
        ours, theirs = compare(
            count, given.rounds, peer_rounds if count <= given.peer_limit else 0, given.docs_per_file
        )
        report(count, ours, theirs)
        results[count] = ours
    report_growth(results, start)


if __name__ == "__main__":
    main()
