"""No vector is forgotten: each file of both collections is run by a test that names it, or left out with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.counts import count
from tests.vectors import nist, wycheproof

HERE = Path(__file__).parent


def test_every_vector_of_wycheproof_runs_or_has_a_reason() -> None:
    assert {path.name for path in wycheproof.DATA.glob("*.json")} == set(wycheproof.RUN_BY)
    assert not set(wycheproof.RUN_BY) & set(wycheproof.NOT_EXPRESSED)
    reasons: Counter[str] = Counter()
    for tests, reason in wycheproof.NOT_EXPRESSED.values():
        reasons[reason] += tests
    expressed = 0
    for file in wycheproof.RUN_BY:
        for vector in wycheproof.every(file):
            why = wycheproof.why_not(vector)
            if why is None:
                expressed += 1
            else:
                reasons[why] += 1
    assert expressed + sum(reasons.values()) == wycheproof.TESTS_IN_ALL
    assert expressed > 3_000
    assert all(reasons)
    count("T8", left_out=sum(reasons.values()))


def test_of_every_group_something_runs_or_all_of_it_has_a_reason() -> None:
    for file in wycheproof.RUN_BY:
        groups = {id(vector.group) for vector in wycheproof.every(file)}
        running = {id(vector.group) for vector in wycheproof.expressed(file)}
        silent = {id(vector.group) for vector in wycheproof.every(file) if wycheproof.why_not(vector) is not None}
        assert groups == running | silent, file


def test_every_file_of_nist_runs_or_has_a_reason() -> None:
    every = nist.every_file()
    assert set(nist.RUN_BY) <= set(every)
    left_out = [file for file in every if nist.why_not(file) is not None]
    assert len(left_out) + len(nist.RUN_BY) == len(every)
    count("T8", files_left_out=len(left_out))


def test_no_reason_is_left_over() -> None:
    every = nist.every_file()
    used = {nist.why_not(file) for file in every}
    assert {reason for reason in nist.LEFT_OUT.values() if reason not in used} == set()


@pytest.mark.parametrize(("module", "run_by"), [("wycheproof", wycheproof.RUN_BY), ("nist", nist.RUN_BY)])
def test_the_test_that_runs_a_file_names_it(module: str, run_by: Mapping[str, str]) -> None:
    names = {value: name for name, value in vars(nist).items() if isinstance(value, str)}
    for file, test in run_by.items():
        text = (HERE / f"{test}.py").read_text()
        said = f"nist.{names[file]}" if module == "nist" else file
        assert said in text, (file, test)
