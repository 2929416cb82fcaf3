#!/usr/bin/env python3
"""What a real refresh costs: every object that was made is looked at again, by the embedded providers.

usage: bench/refresh.py [N ...] [--rounds R] [--limit N] [--peer-limit N]

Each world is applied once, then planned with and without refresh in turn; what refresh costs is the difference of the
two. The peer is Terraform's no-op plan of as many ``terraform_data`` resources, which has nothing to look at. Calls to
providers are counted for each kind: they shall grow with keys + clusters + tables, not with their product.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plan import START_UP, Peer, child
from terraform import find_program
from whole_process import PRODUCT, Usage, environment, exponent, measure, ratio

REFRESH_AIM = 1 / 20  # of the peer's no-op plan


@dataclass(frozen=True, slots=True)
class Applied:
    """One world: its plans with refresh and without, pair by pair, the peer's, and the calls of one refresh by kind."""

    plan: list[Usage]
    unrefreshed: list[Usage]
    peer: list[Usage]
    calls: dict[str, int]

    @property
    def refresh(self) -> float:
        """CPU seconds of refresh alone."""
        return Usage.median(self.plan).cpu - Usage.median(self.unrefreshed).cpu


_CALLS = """
import json, sys
from collections import Counter
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.planning.refresh import refresh

class Counted:
    def __init__(self, provider, calls):
        self._provider, self._calls = provider, calls
    def __getattr__(self, name):
        found = getattr(self._provider, name)
        if not callable(found):
            return found
        def call(*given, **named):
            self._calls[0] += 1
            return found(*given, **named)
        return call

with Session(Globals()) as session:
    count = [0]
    plain = session.provider
    session.provider = lambda name: Counted(plain(name), count)
    rows = session.reader.all()
    calls = {}
    for kind in sorted({row.address.kind for row in rows}):
        count[0] = 0
        refresh([row for row in rows if row.address.kind == kind], session)
        calls[kind] = count[0]
print(json.dumps(calls))
"""


def apply(count: int, rounds: int, peer_rounds: int) -> Applied:
    """Apply one world for real, and plan it again and again."""
    program = find_program()
    with tempfile.TemporaryDirectory(prefix="bench-apply-") as name:
        folder = Path(name) / "product"
        folder.mkdir()
        child("world.py", str(count), str(folder))
        (folder / "reconciler.yaml").write_text("home: .reconciler\n")
        measure([*PRODUCT, "apply", "--auto-approve"], folder)
        counted = subprocess.run(
            [sys.executable, "-c", _CALLS], cwd=folder, env=environment(), check=True, capture_output=True, text=True
        )
        peer = Peer(count, Path(name) / "peer", program) if program and peer_rounds else None
        plan, unrefreshed, peers = [], [], []
        for number in range(rounds):
            plan.append(measure([*PRODUCT, "plan", "--detailed-exitcode"], folder))
            unrefreshed.append(measure([*PRODUCT, "plan", "--detailed-exitcode", "--no-refresh"], folder))
            if peer is not None and number < peer_rounds:
                peers.append(peer.run("no-op plan"))
    return Applied(plan, unrefreshed, peers, json.loads(counted.stdout))


def report(count: int, applied: Applied) -> None:
    """One size's table."""
    print(f"\n{count:,} resources, really applied")
    print(f"  plan with refresh     {Usage.median(applied.plan)}{_against(applied)}")
    print(f"  refresh alone         {applied.refresh:8.3f} s cpu {applied.refresh / count * 1e6:7.0f} µs/resource")
    print("  calls of one refresh  " + ", ".join(f"{kind} {calls:,}" for kind, calls in applied.calls.items()))
    if applied.peer:
        print(f"  Terraform no-op plan  {Usage.median(applied.peer)}")


def _against(applied: Applied) -> str:
    found = ratio((run.cpu for run in applied.plan), (run.cpu for run in applied.peer))
    if found is None:
        return ""
    return f"   cpu 1/{1 / found:.0f} (aim 1/{1 / REFRESH_AIM:.0f}: {'met' if found <= REFRESH_AIM else 'MISSED'})"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="*", default=[1_000, 3_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=10_000, help="larger sizes are left out: an apply takes its time")
    parser.add_argument("--peer-limit", type=int, default=10_000, help="no peer beyond this size; 0: none at all")
    given = parser.parse_args(arguments)
    start = apply(START_UP, given.rounds, 0)
    results = {}
    for count in given.count:
        if count > given.limit:
            print(f"\n{count:,} resources: not applied (--limit {given.limit})")
            continue
        peer_rounds = given.rounds if count <= 2_000 else 1
        results[count] = apply(count, given.rounds, peer_rounds if count <= given.peer_limit else 0)
        report(count, results[count])
    for small, large in itertools.pairwise(sorted(results)):
        pair = (small, large)
        refreshes = exponent(pair, (results[small].refresh, results[large].refresh), start.refresh)
        calls = exponent(pair, (sum(results[small].calls.values()), sum(results[large].calls.values())))
        print(f"\ngrowth exponent {small:,} → {large:,}: refresh {refreshes:.2f}, its calls {calls:.2f}")


if __name__ == "__main__":
    main()
