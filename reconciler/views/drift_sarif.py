"""Drift as SARIF 2.1.0, for code scanning: a rule a class, a result a finding.

Written as plain data: the kept packages (sarif-om, sarif-pydantic) bring classes for the whole standard and an import
that costs more than this page, and neither checks a document against it. A test does that, with the schema's needed
part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler import __version__
from reconciler.model.address import Address
from reconciler.model.drift import RULES, Allowance, Severity
from reconciler.model.plan import Finding
from reconciler.views.drift_text import Allowed, rank
from reconciler.views.json_text import timestamp
from reconciler.views.safe_text import clean
from reconciler.views.value_text import short_pair_texts

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS: Final = {Severity.SECURITY: "error", Severity.FUNCTIONAL: "warning", Severity.BENIGN: "note"}
_SECURITY_SEVERITY: Final = {Severity.SECURITY: "8.0", Severity.FUNCTIONAL: "4.0", Severity.BENIGN: "1.0"}
Places = Mapping[Address, tuple[str, int]]


def sarif_document(
    findings: Sequence[Finding], *, allowed: Allowed = (), places: Places | None = None
) -> dict[str, Any]:
    """One run. ``places`` gives file and line of declared resources; a finding of any other has its logical location
    alone. Allowed findings are suppressed results."""
    results = [_result(finding, places or {}) for finding in rank(findings)]
    results += [{**_result(finding, places or {}), "suppressions": [_suppression(line)]} for finding, line in allowed]
    driver = {
        "name": "reconciler",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(name) for name in RULES],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    help_text = f"Seen by: {rule.seen}\nWhat to do: {rule.fix}"
    return {
        "id": name,
        "name": name.title().replace("-", ""),
        "shortDescription": {"text": rule.means},
        "fullDescription": {"text": f"{rule.means} {rule.seen}"},
        "help": {"text": help_text, "markdown": f"**Seen by:** {rule.seen}\n\n**What to do:** {rule.fix}"},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {
            "tags": [str(rule.severity), "encryption-at-rest"],
            "security-severity": _SECURITY_SEVERITY[rule.severity],
        },
    }


def _result(finding: Finding, places: Places) -> dict[str, Any]:
    expected, observed = short_pair_texts(finding.expected, finding.observed)
    address, path = clean(finding.address), clean(finding.path)
    text = f"{address}: {path} expected {expected}, observed {observed}. Fix: {clean(finding.fix)}"
    logical = {"name": address.partition("/")[2], "fullyQualifiedName": address, "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    if finding.address in places:
        file, line = places[finding.address]
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(file)}, "region": {"startLine": line}}
    result: dict[str, Any] = {
        "ruleId": finding.drift_class,
        "ruleIndex": list(RULES).index(finding.drift_class),
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"reconciler/v1": fingerprint(finding)},
    }
    if finding.observed_at is not None:
        result["properties"] = {"observedAt": timestamp(finding.observed_at)}
    return result


def fingerprint(finding: Finding) -> str:
    """The same for the same thing found again, whatever else moved: class, address and path."""
    return hashlib.sha256("\n".join((finding.drift_class, finding.address, finding.path)).encode()).hexdigest()


def _suppression(line: Allowance) -> dict[str, Any]:
    until = "" if line.until is None else f" (until {line.until})"
    return {"kind": "external", "status": "accepted", "justification": clean(line.reason) + until}


def _uri(file: str) -> str:
    """A relative URI reference of a file of the project, an absolute one of any other."""
    from urllib.parse import quote

    quoted = quote(file)
    return f"file://{quoted}" if file.startswith("/") else quoted
