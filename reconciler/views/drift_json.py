"""Drift for pipelines (CONTRACT 4, ``schemas/drift.json``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.model.drift import Allowance
from reconciler.model.plan import Finding
from reconciler.views.drift_text import Allowed, rank, severity_counts
from reconciler.views.json_text import FORMAT_VERSION, timestamp


def drift_document(findings: Sequence[Finding], *, checked: int | None = None, allowed: Allowed = ()) -> dict[str, Any]:
    """The findings, ranked, and their counts; ``checked`` is how many resources were looked at, null if not said.
    ``allowed`` ones are listed apart and counted apart."""
    return {
        "formatVersion": FORMAT_VERSION,
        "findings": [finding_document(finding) for finding in rank(findings)],
        "allowed": [_allowed_document(finding, line) for finding, line in allowed],
        "summary": {
            **severity_counts(findings),
            "total": len(findings),
            "allowed": len(allowed),
            "checked": checked,
        },
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding; also what a plan lists under ``drift``."""
    return {
        "address": str(finding.address),
        "class": finding.drift_class,
        "severity": str(finding.severity),
        "path": finding.path,
        "expected": finding.expected,
        "observed": finding.observed,
        "observedAt": None if finding.observed_at is None else timestamp(finding.observed_at),
        "fix": finding.fix,
    }


def _allowed_document(finding: Finding, line: Allowance) -> dict[str, Any]:
    until = None if line.until is None else line.until.isoformat()
    return {"finding": finding_document(finding), "reason": line.reason, "until": until}
