"""What a person reads of drift."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from reconciler.model.plan import Finding
from reconciler.views.drift_json import drift_document
from reconciler.views.drift_markdown import render_drift_markdown
from reconciler.views.drift_text import drift_line, rank, render_drift
from tests.views import sample_plans as samples

FINDINGS = (samples.RENAMED, samples.GRANT_MISSING, samples.DISABLED)
Golden = Callable[[str, str], None]


def test_drift_as_a_person_reads_it(golden: Golden) -> None:
    golden("drift.txt", render_drift(FINDINGS, colour=False, checked=12))
    golden("drift.md", render_drift_markdown(FINDINGS, checked=12))


@pytest.mark.parametrize("findings", list(permutations(FINDINGS)))
def test_the_worst_comes_first_in_whatever_order_it_was_found(findings: tuple[Finding, ...]) -> None:
    assert [str(finding.severity) for finding in rank(findings)] == ["security", "functional", "benign"]
    assert render_drift(findings, colour=False) == render_drift(FINDINGS, colour=False)
    severities = [finding["severity"] for finding in drift_document(findings)["findings"]]
    assert severities == ["security", "functional", "benign"]


@pytest.mark.parametrize(
    ("findings", "checked", "line"),
    [
        ((), None, "No drift. Everything is as recorded."),
        ((), 1, "No drift. Everything is as recorded (1 resource checked)."),
        ((samples.DISABLED,), 12, "Drift: 1 security, 0 functional, 0 benign (12 resources checked)."),
    ],
)
def test_the_last_line_counts(findings: tuple[Finding, ...], checked: int | None, line: str) -> None:
    assert drift_line(findings, checked=checked) == line
    assert render_drift(findings, colour=False, checked=checked).endswith(f"{line}\n")
    assert f"**{line}**" in render_drift_markdown(findings, checked=checked)
