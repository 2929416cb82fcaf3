"""The list of planted bugs: still plantable, and noticed (RELIABILITY T17).

A run plants a few of them, the campaign (``make campaign``) all.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.planted.planting import ROOT, Bug, bugs, copy_tree, is_noticed

BUGS = {bug.rule: bug for bug in bugs()}
A_FEW = 3


def drawn() -> list[str]:
    """The rules to break in this run."""
    if settings().max_examples > 1_000:
        return list(BUGS)
    return list(BUGS)[:: len(BUGS) // A_FEW]


@pytest.mark.parametrize("rule", BUGS)
def test_a_bug_on_the_list_can_be_planted(rule: str) -> None:
    bug = BUGS[rule]
    assert (ROOT / bug.file).read_text().count(bug.old) == 1, "the code moved on: say anew where the bug is to stand"
    assert bug.new != bug.old
    assert all((ROOT / path).exists() for path in bug.caught.split())


def test_each_rule_is_broken_once() -> None:
    assert len(BUGS) == len(bugs())


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("rule", drawn())
def test_a_planted_bug_is_noticed(rule: str, tree: Path) -> None:
    assert is_noticed(BUGS[rule], tree)


def test_the_tests_that_notice_pass_without_a_bug(tree: Path) -> None:
    """Or each would notice every bug."""
    healthy = BUGS["what is due now is looked at"]
    assert not is_noticed(Bug(healthy.rule, healthy.file, healthy.old, healthy.old, healthy.caught), tree)
