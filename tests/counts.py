"""What a run did and how long it took, told at its end: kills, schedules, states beside the seconds of each suite.

A test calls ``count("T1", kills=1)``; the figures of all tests and of all workers (pytest-xdist) are summed and printed
beside the suite's budget, which ``budgets.toml`` names.
"""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_figures: dict[str, Counter[str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A suite: ``paths`` are the beginnings of its tests' ids, ``seconds`` the wall time that two workers may take.
    ``at_least`` are figures below which a run of the whole suite fails, whatever its tests say."""

    name: str
    title: str
    seconds: int
    paths: tuple[str, ...]
    at_least: Mapping[str, int] = field(default_factory=dict)


@cache
def budgets() -> Mapping[str, Budget]:
    """The table, by suite."""
    table = tomllib.loads((Path(__file__).parent / "budgets.toml").read_text())
    return {
        name: Budget(
            name=name,
            title=row["title"],
            seconds=row["seconds"],
            paths=tuple(row["paths"]),
            at_least=row.get("at_least", {}),
        )
        for name, row in table.items()
    }


def suite_of(test: str) -> str | None:
    """The suite of a test's id or path: the one with the longest fitting beginning."""
    fitting = [(len(path), name) for name, one in budgets().items() for path in one.paths if test.startswith(path)]
    return max(fitting)[1] if fitting else None


def files_of(suite: str) -> set[str]:
    """The test files of a suite, as tests' ids begin."""
    root = Path(__file__).parents[1]
    found = (path.relative_to(root).as_posix() for top in ("tests", "plugins") for path in (root / top).rglob("test_*"))
    return {file for file in found if file.endswith(".py") and suite_of(file) == suite}


@cache
def turn_of_file(file: str) -> tuple[bool, float]:
    """When a test file has its turn, the lowest first: those that fork, then those whose suite's share by file is
    large; the suite of everything else comes last."""
    suite = suite_of(file)
    seconds = 0.0 if suite is None or suite == "rest" else budgets()[suite].seconds / len(files_of(suite))
    return not file.startswith("tests/faults/test_kills_of"), -seconds


def count(suite: str, **figures: int) -> None:
    """Add to the figures of a suite; underscores in their names are printed as spaces."""
    if suite not in budgets():
        raise KeyError(f"{suite} has no row in tests/budgets.toml")
    _figures.setdefault(suite, Counter()).update(figures)


def counted() -> dict[str, dict[str, int]]:
    """What this process counted, as plain data that a worker can send."""
    return {suite: dict(figures) for suite, figures in _figures.items()}


@dataclass
class Ledger:
    """All that the run did. ``seconds`` are those of tests, set-up included; with n workers n of them pass at once."""

    figures: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)

    def add_figures(self, figures: Mapping[str, Mapping[str, int]]) -> None:
        """Those of one process."""
        for suite, numbers in figures.items():
            self.figures.setdefault(suite, Counter()).update(numbers)

    def add_phase(self, test: str, seconds: float, *, failed: bool) -> None:
        """Set-up, call or tear-down of one test."""
        suite = suite_of(test)
        self.files.add(test.partition("::")[0])
        if suite is not None:
            self.seconds[suite] += seconds
            self.failures[suite] += failed

    def too_few(self) -> Iterable[str]:
        """What fell short, of the suites whose files were all run."""
        for name, budget in budgets().items():
            if not budget.at_least or not files_of(name) <= self.files:
                continue
            done = self.figures.get(name, Counter())
            for figure, least in budget.at_least.items():
                if done[figure] < least:
                    what = figure.replace("_", " ")
                    yield f"{name} {budget.title}: {done[figure]:,} {what}, at least {least:,} are due"

    def lines(self, workers: int) -> Iterable[str]:
        """One for each suite that ran, and what went over its budget."""
        for name, budget in budgets().items():
            if name not in self.seconds:
                continue
            wall = self.seconds[name] / workers
            numbers: Mapping[str, int] = self.figures.get(name, {})
            told = ", ".join(f"{number:,} {figure.replace('_', ' ')}" for figure, number in numbers.items())
            over = "  OVER ITS BUDGET" if wall > budget.seconds else ""
            yield (
                f"{name} {budget.title}: {told + ', ' if told else ''}{self.failures[name]} failures;"
                f" {wall:.0f} s of {budget.seconds} s{over}"
            )
        yield f"all: {sum(self.seconds.values()) / workers:.0f} s of tests, with {workers} at once"


def workers_of(config: Any) -> int:
    """How many processes run tests at once."""
    given = getattr(config.option, "numprocesses", None)
    return given if isinstance(given, int) and given > 0 else 1
