"""The whole run has 23 minutes of two cores: each suite has its share, and each test a suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import counts

ROOT = Path(__file__).resolve().parents[1]
SECONDS_IN_ALL = 1_380


def test_the_shares_sum_to_at_most_twenty_three_minutes() -> None:
    assert sum(budget.seconds for budget in counts.budgets().values()) <= SECONDS_IN_ALL


def test_every_test_file_has_a_suite() -> None:
    files = [path for root in ("tests", "plugins") for path in (ROOT / root).rglob("test_*.py")]
    assert len(files) > 100
    assert [path for path in files if counts.suite_of(str(path.relative_to(ROOT))) is None] == []


def test_the_longest_beginning_decides() -> None:
    assert counts.suite_of("tests/planted/test_planted_bugs.py::test_x") == "T17"
    assert counts.suite_of("tests/test_readme.py") == "rest"
    assert counts.suite_of("elsewhere/test_x.py") is None


def test_what_is_counted_belongs_to_a_suite_that_has_a_budget() -> None:
    with pytest.raises(KeyError, match=r"budgets\.toml"):
        counts.count("T0", kills=1)


def test_figures_of_several_workers_are_summed_and_told_beside_the_budget() -> None:
    ledger = counts.Ledger()
    for _ in range(2):
        ledger.add_figures({"T1": {"kills": 2_656, "failpoints": 602}})
        ledger.add_phase("tests/faults/test_kills_of_keys.py::test_x", 15, failed=False)
    told = list(ledger.lines(workers=2))
    share = counts.budgets()["T1"].seconds
    assert told[0] == f"T1 kill at every failpoint: 5,312 kills, 1,204 failpoints, 0 failures; 15 s of {share} s"


def test_a_suite_that_is_over_its_budget_is_told() -> None:
    ledger = counts.Ledger()
    share = counts.budgets()["T17"].seconds
    ledger.add_phase("tests/planted/test_planted_bugs.py::test_x", share + 1, failed=True)
    assert next(iter(ledger.lines(workers=1))).endswith(f"1 failures; {share + 1} s of {share} s  OVER ITS BUDGET")


def ledger(suite: str, **figures: int) -> counts.Ledger:
    made = counts.Ledger(files=counts.files_of(suite))
    made.add_figures({suite: figures})
    return made


def test_a_whole_suite_that_did_too_little_is_told() -> None:
    assert list(ledger("T5", schedules=20_000).too_few()) == []
    (said,) = ledger("T5", schedules=19_999).too_few()
    assert said.endswith("19,999 schedules, at least 20,000 are due")
    (said,) = ledger("T5").too_few()
    assert "0 schedules" in said


def test_a_part_of_a_suite_owes_nothing() -> None:
    part = ledger("T1", kills=1)
    part.files.pop()
    assert list(part.too_few()) == []


def test_kills_and_schedules_are_those_that_the_programme_asks_for() -> None:
    due = counts.budgets()
    assert due["T1"].at_least["kills"] >= 5_000
    assert due["T5"].at_least["schedules"] >= 20_000
