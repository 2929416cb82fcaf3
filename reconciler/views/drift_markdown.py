"""Drift for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.drift import Severity
from reconciler.model.plan import Finding
from reconciler.views.drift_text import drift_line, rank
from reconciler.views.markdown_text import code_span, table
from reconciler.views.value_text import short_pair_texts


def render_drift_markdown(findings: Sequence[Finding], *, checked: int | None = None) -> str:
    """The counts and a table, worst first."""
    lines = ["## reconciler drift", "", f"**{drift_line(findings, checked=checked)}**"]
    if findings:
        lines += ["", *finding_table(findings)]
    return "\n".join(lines) + "\n"


def finding_table(findings: Sequence[Finding]) -> list[str]:
    """A row a finding, ranked."""
    header = ("severity", "resource", "class", "path", "expected", "observed", "fix")
    return table(header, [_row(finding) for finding in rank(findings)])


def _row(finding: Finding) -> tuple[str, ...]:
    expected, observed = short_pair_texts(finding.expected, finding.observed)
    severity = f"**{finding.severity}**" if finding.severity is Severity.SECURITY else str(finding.severity)
    texts = (finding.address, finding.drift_class, finding.path, expected, observed, finding.fix)
    return (severity, *(code_span(text) for text in texts))
