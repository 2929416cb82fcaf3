"""Interleaved rounds of several ways to do the same, and the ratio of their bests."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Best:
    """The least that one way took in any round: CPU seconds (user and system, its children too) and wall seconds."""

    cpu: float
    wall: float


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Best]:
    """Each way once a round, one after the other, after one round that does not count."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, call in ways.items():
            gc.collect()
            cpu, wall = _cpu(), time.perf_counter()
            call()
            if number:
                taken[name].append((_cpu() - cpu, time.perf_counter() - wall))
    return {name: Best(min(cpu for cpu, _ in all_), min(wall for _, wall in all_)) for name, all_ in taken.items()}


def at_most(what: str, ours: float, peer: float, aim: float, *, unit: str = "cpu") -> None:
    """One line: our seconds over the peer's, and what was to be reached."""
    ratio = ours / peer
    _say(what, ratio, f"<= {aim:<5g} {'reached' if ratio <= aim else 'MISSED '}", f"{ours:.3f} s / {peer:.3f} s {unit}")


def at_least(what: str, ours: float, peer: float, aim: float, *, unit: str = "cpu") -> None:
    """One line: how often our speed is the peer's (the peer's seconds over ours), and what was to be reached."""
    ratio = peer / ours
    _say(what, ratio, f">= {aim:<5g} {'reached' if ratio >= aim else 'MISSED '}", f"{peer:.3f} s / {ours:.3f} s {unit}")


def _say(what: str, ratio: float, verdict: str, seconds: str) -> None:
    print(f"  {what:58s} {ratio:7.2f}  aim {verdict}  ({seconds})", flush=True)


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
