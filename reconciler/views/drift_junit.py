"""Drift as JUnit XML, for whatever shows test results: a test case a resource, failed by its findings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as Tree  # written, never read

from reconciler.model.address import Address
from reconciler.model.drift import Allowance, Severity
from reconciler.model.plan import Finding
from reconciler.views.drift_text import Allowed, rank
from reconciler.views.safe_text import clean
from reconciler.views.value_text import short_pair_texts

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def render_drift_junit(findings: Sequence[Finding], *, allowed: Allowed = (), checked: Sequence[Address] = ()) -> str:
    """One suite. Every resource that was looked at is a case, and so is whatever else something was found of; one of
    which only allowed findings are told is skipped, with the reason."""
    failing: dict[Address, list[Finding]] = defaultdict(list)
    for finding in rank(findings):
        failing[finding.address].append(finding)
    accepted: dict[Address, list[tuple[Finding, Allowance]]] = defaultdict(list)
    for finding, line in allowed:
        accepted[finding.address].append((finding, line))
    names = sorted({*checked, *failing, *accepted})
    counts = {
        "tests": str(len(names)),
        "failures": str(len(failing)),
        "errors": "0",
        "skipped": str(len(accepted.keys() - failing.keys())),
        "time": "0",
    }
    root = Tree.Element("testsuites", {"name": "reconciler drift", **counts})
    suite = Tree.SubElement(root, "testsuite", {"name": "drift", **counts})
    for name in names:
        case = Tree.SubElement(suite, "testcase", {"classname": name.kind, "name": _text(name), "time": "0"})
        if name in failing:
            _fail(case, failing[name])
        elif name in accepted:
            Tree.SubElement(case, "skipped", {"message": "; ".join(_text(line.reason) for _, line in accepted[name])})
        if name in accepted:
            said = "\n".join(f"allowed: {_line(finding)} ({_text(line.reason)})" for finding, line in accepted[name])
            Tree.SubElement(case, "system-out").text = said
    Tree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"


def _fail(case: Tree.Element, findings: Sequence[Finding]) -> None:
    """One failure: readers of the format count a case once, whatever is in it."""
    gravest = findings[0]
    kind = "security" if gravest.severity is Severity.SECURITY else str(gravest.severity)
    message = ", ".join(dict.fromkeys(finding.drift_class for finding in findings))
    failure = Tree.SubElement(case, "failure", {"message": message, "type": kind})
    failure.text = "\n".join(
        f"{finding.severity} {_line(finding)}\n  fix: {_text(finding.fix)}" for finding in findings
    )


def _line(finding: Finding) -> str:
    expected, observed = short_pair_texts(finding.expected, finding.observed)
    return _text(f"{finding.drift_class}: {clean(finding.path)}: expected {expected}, observed {observed}")


def _text(text: str) -> str:
    """On one line, without what XML cannot hold."""
    return _FORBIDDEN.sub("\ufffd", clean(text))
