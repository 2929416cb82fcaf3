"""Drift for people: what weakens security first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from reconciler.model.drift import Allowance, Severity
from reconciler.model.plan import Finding
from reconciler.views.ink import Ink
from reconciler.views.quantity import count_text
from reconciler.views.safe_text import clean
from reconciler.views.value_text import short_pair_texts

Allowed = Sequence[tuple[Finding, Allowance]]
_WORST_FIRST = (Severity.SECURITY, Severity.FUNCTIONAL, Severity.BENIGN)


def rank(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first; within a severity by address, class and path."""
    return sorted(findings, key=lambda one: (_WORST_FIRST.index(one.severity), one.address, one.drift_class, one.path))


def render_drift(
    findings: Sequence[Finding], *, colour: bool, checked: int | None = None, allowed: Allowed = ()
) -> str:
    """All findings, ranked, then those that are allowed, and a line that counts them. ``checked`` is how many resources
    were looked at."""
    ink = Ink(colour=colour)
    lines = [line for finding in rank(findings) for line in finding_lines(finding, ink)]
    lines += [line for finding, why in allowed for line in _allowed_lines(finding, why, ink)]
    if lines:
        lines.append("")
    lines.append(ink.bold(drift_line(findings, checked=checked, allowed=len(allowed))))
    return "\n".join(lines) + "\n"


def drift_line(findings: Sequence[Finding], *, checked: int | None = None, allowed: int = 0) -> str:
    """``Drift: 1 security, 2 functional, 0 benign.``, or that there is none."""
    among = "" if checked is None else f" ({count_text(checked, 'resource')} checked)"
    if not findings:
        told = (
            f"No drift but {count_text(allowed, 'allowed finding')}"
            if allowed
            else "No drift. Everything is as recorded"
        )
        return f"{told}{among}."
    counts = [f"{number:,} {severity}" for severity, number in severity_counts(findings).items()]
    if allowed:
        counts.append(f"beside {allowed:,} allowed")
    return f"Drift: {', '.join(counts)}{among}."


def severity_counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings there are of each severity, all three named."""
    counts = Counter(finding.severity for finding in findings)
    return {str(severity): counts[severity] for severity in _WORST_FIRST}


def _allowed_lines(finding: Finding, why: Allowance, ink: Ink) -> list[str]:
    until = "" if why.until is None else f" until {why.until}"
    return [
        f"  {ink.dim('allowed')}: {ink.bold(clean(finding.address))} {clean(finding.drift_class)}",
        f"      {clean(finding.path)}: {clean(why.reason)}{until} ({clean(why.place)})",
    ]


def finding_lines(finding: Finding, ink: Ink) -> list[str]:
    """One finding: where and what, the difference, the fix."""
    paint = {Severity.SECURITY: ink.red, Severity.FUNCTIONAL: ink.yellow, Severity.BENIGN: ink.dim}
    severity = paint[finding.severity](str(finding.severity))
    expected, observed = short_pair_texts(finding.expected, finding.observed)
    return [
        f"  {severity}: {ink.bold(clean(finding.address))} {clean(finding.drift_class)}",
        f"      {clean(finding.path)}: expected {expected}, observed {observed}",
        f"      fix: {clean(finding.fix)}",
    ]
