"""Drift for machines: SARIF 2.1.0, JUnit XML; and findings that somebody allowed, in every form."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from reconciler.model.address import Address
from reconciler.model.drift import RULES, SEVERITY, Allowance
from reconciler.model.plan import Finding
from reconciler.views.drift_json import drift_document
from reconciler.views.drift_junit import render_drift_junit
from reconciler.views.drift_markdown import render_drift_markdown
from reconciler.views.drift_sarif import LEVELS, fingerprint, sarif_document
from reconciler.views.drift_text import render_drift
from reconciler.views.json_text import render_json
from reconciler.views.schemas import load_schema
from tests.views import sample_plans as samples

FINDINGS = (samples.RENAMED, samples.GRANT_MISSING, samples.DISABLED)
LINE = Allowance(
    drift_class="plaintext-snapshot",
    address="Snapshot/*",
    reason="kept for the auditors, see OPS-112",
    until=date(2026, 12, 31),
    place="allow.yaml:2",
)
KEPT = Finding(
    address=Address("Snapshot/before"),
    drift_class="plaintext-snapshot",
    path="root",
    expected="encrypted",
    observed="plaintext: 812 bytes, kept for ever",
    fix="let it go",
)
ALLOWED = ((KEPT, LINE),)
PLACES = {Address("Key/orders"): ("manifests/my keys.yaml", 12)}
SARIF_SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0-part.json").read_text())
Golden = Callable[[str, str], None]


def sarif(*findings: Finding, allowed: Any = ()) -> Any:
    document = json.loads(render_json(sarif_document(findings, allowed=allowed, places=PLACES)))
    Draft7Validator(SARIF_SCHEMA).validate(document)
    return document["runs"][0]


def test_drift_as_pipelines_read_it(golden: Golden) -> None:
    golden("drift.sarif", render_json(sarif_document(FINDINGS, allowed=ALLOWED, places=PLACES)))
    golden("drift.xml", render_drift_junit(FINDINGS, allowed=ALLOWED, checked=[Address("Key/calm")]))
    golden("drift-allowed.md", render_drift_markdown(FINDINGS, checked=12, allowed=ALLOWED))
    golden("drift-allowed.txt", render_drift(FINDINGS, colour=False, checked=12, allowed=ALLOWED))


def test_every_class_is_a_rule_with_help_and_a_level() -> None:
    rules = sarif()["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == list(RULES)
    for rule in rules:
        assert rule["help"]["text"] and rule["shortDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] == LEVELS[SEVERITY[rule["id"]]]


def test_the_schema_part_refuses_what_the_standard_refuses() -> None:
    document = json.loads(render_json(sarif_document(FINDINGS)))
    check = Draft7Validator(SARIF_SCHEMA)
    assert check.is_valid(document)
    spoils: list[Callable[[Any], Any]] = [
        lambda one: one.update(version="2.0.0"),
        lambda one: one["runs"][0]["results"][0].update(level="grave"),
        lambda one: one["runs"][0]["results"][0].pop("message"),
        lambda one: one["runs"][0]["results"][0].update(slip=1),
        lambda one: one["runs"][0]["tool"]["driver"].pop("name"),
    ]
    for spoil in spoils:
        spoilt = json.loads(json.dumps(document))
        spoil(spoilt)
        assert not check.is_valid(spoilt)


def test_a_result_names_its_resource_and_where_that_is_declared() -> None:
    results = sarif(samples.DISABLED, KEPT)["results"]
    by_rule = {result["ruleId"]: result for result in results}
    key, snapshot = by_rule["key-disabled"], by_rule["plaintext-snapshot"]

    assert key["level"] == "error"
    assert key["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "Key/orders"
    where = key["locations"][0]["physicalLocation"]
    assert where == {"artifactLocation": {"uri": "manifests/my%20keys.yaml"}, "region": {"startLine": 12}}
    assert "physicalLocation" not in snapshot["locations"][0], "no manifest declares it"


def test_a_finding_keeps_its_fingerprint_whatever_else_moves() -> None:
    later = replace(KEPT, observed="plaintext: 900 bytes, kept for ever", fix="another")

    assert fingerprint(later) == fingerprint(KEPT)
    assert fingerprint(replace(KEPT, path="copies.us-east-1")) != fingerprint(KEPT)


def test_an_allowed_finding_is_a_suppressed_result() -> None:
    (result,) = sarif(allowed=ALLOWED)["results"]

    assert result["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "kept for the auditors, see OPS-112 (until 2026-12-31)",
        }
    ]


def test_each_resource_is_a_test_case_that_fails_by_its_findings() -> None:
    text = render_drift_junit(FINDINGS, allowed=ALLOWED, checked=[Address("Key/calm"), Address("Key/orders")])
    (suite,) = ElementTree.fromstring(text)  # noqa: S314  # our own output
    cases = {case.get("name"): case for case in suite}

    assert list(cases) == ["Grant/etl", "Key/calm", "Key/orders", "Snapshot/before"]
    assert {name for name, case in cases.items() if case.find("failure") is not None} == {"Grant/etl", "Key/orders"}
    failure = cases["Key/orders"].find("failure")
    assert failure is not None and failure.get("message") == "key-disabled, attribute-changed"
    assert failure.get("type") == "security"
    skipped = cases["Snapshot/before"].find("skipped")
    assert skipped is not None and skipped.get("message") == LINE.reason
    assert suite.attrib | {"tests": "4", "failures": "2", "skipped": "1"} == suite.attrib


@pytest.mark.parametrize("text", ["\x00", "\x1b[31m", "￾", "a]]>b<!--", "\ud800"])
def test_whatever_a_provider_says_is_sound_xml(text: str) -> None:
    spoilt = replace(KEPT, path=text, observed=text, fix=text)
    written = render_drift_junit([spoilt], allowed=((spoilt, replace(LINE, reason=text)),))
    ElementTree.fromstring(written)  # noqa: S314  # our own output


def test_allowed_findings_are_counted_apart() -> None:
    document = drift_document([samples.DISABLED], checked=3, allowed=ALLOWED)
    Draft202012Validator(load_schema("drift")).validate(json.loads(render_json(document)))

    assert document["summary"] == {
        "security": 1,
        "functional": 0,
        "benign": 0,
        "total": 1,
        "allowed": 1,
        "checked": 3,
    }
    assert document["allowed"][0]["reason"] == LINE.reason
    assert "No drift but 1 allowed finding." in render_drift([], colour=False, allowed=ALLOWED)
