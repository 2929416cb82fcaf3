"""Clusters: another root, another file: killed at every failpoint, and again and again (RELIABILITY T1, G1)."""

from __future__ import annotations

import random

import pytest

from tests.amounts import amount
from tests.faults import killing
from tests.faults.operations import named

CASES = pytest.mark.parametrize("prepared", named("roots"), indirect=True)


@CASES
def test_killed_at_any_failpoint_it_is_ended_by_the_next_apply(prepared: killing.Prepared) -> None:
    assert prepared.verbs == prepared.case.verbs
    killing.kill_everywhere(prepared)


@CASES
def test_killed_again_and_again_it_comes_to_its_end(prepared: killing.Prepared) -> None:
    chance = random.Random(prepared.case.change)  # noqa: S311  # a choice of failpoints that can be repeated
    killing.kill_again_and_again(prepared, chance, kills=amount(54, 3_400))
