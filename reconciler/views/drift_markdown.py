"""Drift for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.drift import Allowance, Severity
from reconciler.model.plan import Finding
from reconciler.views.drift_text import Allowed, drift_line, rank
from reconciler.views.markdown_text import code_span, table
from reconciler.views.quantity import count_text
from reconciler.views.value_text import short_pair_texts


def render_drift_markdown(findings: Sequence[Finding], *, checked: int | None = None, allowed: Allowed = ()) -> str:
    """The counts and a table, worst first; what is allowed is folded away below it."""
    lines = ["## reconciler drift", "", f"**{drift_line(findings, checked=checked, allowed=len(allowed))}**"]
    if findings:
        lines += ["", *finding_table(findings)]
    if allowed:
        header = ("resource", "class", "path", "reason", "until")
        rows = [_allowed_row(finding, line) for finding, line in allowed]
        count = count_text(len(allowed), "finding")
        lines += ["", "<details>", f"<summary>{count} allowed</summary>", "", *table(header, rows), "", "</details>"]
    return "\n".join(lines) + "\n"


def finding_table(findings: Sequence[Finding]) -> list[str]:
    """A row a finding, ranked."""
    header = ("severity", "resource", "class", "path", "expected", "observed", "fix")
    return table(header, [_row(finding) for finding in rank(findings)])


def _allowed_row(finding: Finding, line: Allowance) -> tuple[str, ...]:
    until = "" if line.until is None else line.until.isoformat()
    texts = (finding.address, finding.drift_class, finding.path, line.reason)
    return (*(code_span(text) for text in texts), until)


def _row(finding: Finding) -> tuple[str, ...]:
    expected, observed = short_pair_texts(finding.expected, finding.observed)
    severity = f"**{finding.severity}**" if finding.severity is Severity.SECURITY else str(finding.severity)
    texts = (finding.address, finding.drift_class, finding.path, expected, observed, finding.fix)
    return (severity, *(code_span(text) for text in texts))
