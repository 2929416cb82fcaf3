#!/usr/bin/env python3
"""What an apply costs, a durable record before and after every step, beside Terraform's (PERFORMANCE.md 6, goal 4).

usage: bench/apply.py [N ...] [--rounds R] [--peer-limit N] [--recovery N]

Whole processes from an empty state, in turn (engine, embedded providers, Terraform, and again); CPU time, medians, and
the median of the ratios of each round.

  engine      providers with nothing behind them (nothing.py), as empty as the peer's ``terraform_data``: what is left
              is the plan, the journal, two durable commits a step, the read-back
  for real    the embedded providers: real keys, grants, tables and audit records, durable each
  recovery    the apply for real is killed half way (SIGKILL); what the next one needs to resolve what was open
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plan import START_UP, child
from terraform import Terraform, find_program
from whole_process import PRODUCT, Usage, environment, exponent, measure, ratio

HERE = Path(__file__).resolve().parent
AIMS = {500: 1 / 15, 2_000: 1 / 100}  # of the peer's CPU time
EXPONENT_AIM = 1.05
RECOVERY_AIM = 1.0  # second, for 1,000 resources
_RECOVER = """
import json, sys, time
from reconciler.commands.applying import holding_lock
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
with Session(Globals()) as session:
    session.manifests
    with_open = len(session.reader.open_intents())
    session.__dict__.pop("reader").close()
    began = time.monotonic()
    with holding_lock(session, "apply", 0, "json"):
        took = time.monotonic() - began
print(json.dumps({"open": with_open, "seconds": took}), file=sys.stderr)
"""


@dataclass(slots=True)
class Runs:
    """One size: what each side took, round by round."""

    engine: list[Usage] = field(default_factory=list)
    real: list[Usage] = field(default_factory=list)
    peer: list[Usage] = field(default_factory=list)


class Product:
    """A folder with a world of ``count`` resources; ``empty``: providers with nothing behind them."""

    def __init__(self, count: int, folder: Path, *, empty: bool) -> None:
        folder.mkdir(parents=True)
        child("world.py", str(count), str(folder), *(["--empty"] if empty else []))
        self._folder = folder
        self._round = 0
        self._variables = _permitted(folder.parent) if empty else {}

    def apply(self) -> Usage:
        """Everything, from an empty state."""
        self._fresh()
        return measure([*PRODUCT, "apply", "--auto-approve"], self._folder, variables=self._variables)

    def recover(self, after: float) -> tuple[int, float]:
        """Kill an apply after so many seconds: how many steps were open, and the seconds that resolving them took."""
        self._fresh()
        begun = subprocess.Popen(
            [*PRODUCT, "apply", "--auto-approve"],
            cwd=self._folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(after)
        begun.send_signal(signal.SIGKILL)
        begun.wait()
        done = subprocess.run(
            [sys.executable, "-c", _RECOVER],
            cwd=self._folder,
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        answer = json.loads(done.stderr.splitlines()[-1])
        return answer["open"], answer["seconds"]

    def _fresh(self) -> None:
        self._round += 1
        home = f"home: .reconciler-{self._round}\nstate: {{path: .reconciler-{self._round}/state.db}}\n"
        (self._folder / "reconciler.yaml").write_text(home)


def _permitted(folder: Path) -> dict[str, str]:
    """Variables under which the plugins of nothing.py are installed and permitted, as a stranger's would be."""
    installed = folder / "installed"
    metadata = installed / "nothing-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nothing\nVersion: 1\n")
    plugins = {"softkms": "Keys", "warehouse": "Warehouse", "tables": "Tables"}
    lines = "".join(f"nothing-{name} = nothing:{found}\n" for name, found in plugins.items())
    (metadata / "entry_points.txt").write_text(f"[reconciler.providers]\n{lines}")
    operator = folder / "operator.yaml"
    operator.write_text(f"plugins: [{', '.join(f'nothing-{name}' for name in plugins)}]\n")
    operator.chmod(0o600)
    path = os.pathsep.join([str(installed), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "RECONCILER_OPERATOR_FILE": str(operator)}


def compare(count: int, rounds: int, peer_rounds: int) -> Runs:
    """All runs of one size, made in turn."""
    runs, program = Runs(), find_program()
    with tempfile.TemporaryDirectory(prefix="bench-apply-") as name:
        engine = Product(count, Path(name) / "engine" / "world", empty=True)
        real = Product(count, Path(name) / "real" / "world", empty=False)
        peer = None
        if program and peer_rounds:
            child("terraform.py", str(count), str(Path(name) / "peer"))
            peer = Terraform(Path(name) / "peer", program)
        for number in range(rounds):
            runs.engine.append(engine.apply())
            runs.real.append(real.apply())
            if peer is not None and number < peer_rounds:
                runs.peer.append(peer.apply())
    return runs


def report(count: int, runs: Runs) -> None:
    """One size's table."""
    print(f"\n{count:,} resources: median of {len(runs.engine)} runs, of the peer's {len(runs.peer)}")
    for name, side in (("engine", runs.engine), ("for real", runs.real)):
        used = Usage.median(side)
        print(f"  {name:10s} {used} {used.cpu / count * 1e3:6.2f} ms/resource{_against(count, name, side, runs.peer)}")
    if runs.peer:
        print(f"  Terraform  {Usage.median(runs.peer)}", flush=True)


def _against(count: int, name: str, side: Sequence[Usage], peer: Sequence[Usage]) -> str:
    found = ratio((run.cpu for run in side), (run.cpu for run in peer))
    if found is None:
        return ""
    aim = AIMS.get(count) if name == "engine" else None
    verdict = "" if aim is None else f" (aim 1/{1 / aim:.0f}: {'met' if found <= aim else 'MISSED'})"
    return f"   cpu 1/{1 / found:.0f}{verdict}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="*", default=[500, 2_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peer-limit", type=int, default=2_000, help="no peer beyond this size (it grows as N squared)"
    )
    parser.add_argument("--recovery", type=int, default=1_000, help="resources of the apply that is killed; 0: none is")
    given = parser.parse_args(arguments)
    start = compare(START_UP, given.rounds, 0)
    found: dict[int, Runs] = {}
    for count in given.count:
        peer_rounds = 0 if count > given.peer_limit else given.rounds if count <= 500 else 1
        found[count] = compare(count, given.rounds, peer_rounds)
        report(count, found[count])
    for small, large in itertools.pairwise(sorted(found)):
        for name in ("engine", "real"):
            times = [Usage.median(getattr(found[size], name)).cpu for size in (small, large)]
            grown = exponent((small, large), (times[0], times[1]), Usage.median(getattr(start, name)).cpu)
            verdict = "met" if grown <= EXPONENT_AIM else "MISSED"
            print(f"\ngrowth exponent {small:,} → {large:,}, {name}: {grown:.2f} (aim {EXPONENT_AIM}: {verdict})")
    if given.recovery:
        opened, took = recovered(given.recovery)
        verdict = "met" if took <= RECOVERY_AIM else "MISSED"
        print(
            f"\nrecovery of {given.recovery:,} resources killed half way: {opened} steps open, {took:.3f} s ({verdict})"
        )


def recovered(count: int) -> tuple[int, float]:
    """An apply killed half way: how many steps were open, and the seconds that resolving them took."""
    with tempfile.TemporaryDirectory(prefix="bench-recovery-") as name:
        product = Product(count, Path(name) / "world", empty=False)
        return product.recover(product.apply().wall / 2)


if __name__ == "__main__":
    main()
