"""Every JSON document is what its schema says, and the schema what CONTRACT 4 says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from reconciler.access.decision import Decision, Effect, Source
from reconciler.access.simulation import Request, caller_of
from reconciler.audit.checked import AuditBreak, CheckedAudit
from reconciler.errors import Diagnostic
from reconciler.model import event as events
from reconciler.model.address import Address
from reconciler.model.change import Action, Availability, Verb
from reconciler.model.drift import SEVERITY
from reconciler.providers.data import QueryResult
from reconciler.providers.key_store import StoreDescription
from reconciler.providers.warehouse import ExportedTable, StatementResult
from reconciler.serving.credentials import made_credential
from reconciler.state.liveness import Liveness
from reconciler.state.store import Head
from reconciler.views.access_check import Answer, access_document
from reconciler.views.apply_json import ApplyJson, event_document, event_type
from reconciler.views.audit_check import audit_check_document
from reconciler.views.blast_radius_json import blast_radius_document
from reconciler.views.credentials_json import credentials_document, made_document
from reconciler.views.diagnostics_json import diagnostics_document
from reconciler.views.drift_json import drift_document
from reconciler.views.export_json import export_document
from reconciler.views.graph_json import graph_document
from reconciler.views.history_json import history_document
from reconciler.views.json_text import render_json
from reconciler.views.keystore_json import keystore_list_document
from reconciler.views.lock_json import lock_list_document
from reconciler.views.plan_json import plan_document
from reconciler.views.resource_json import resource_document
from reconciler.views.result_json import result_document
from reconciler.views.schemas import load_schema, names
from reconciler.views.state_json import state_document, state_list_document
from reconciler.views.statement_json import statement_document
from reconciler.views.verify_json import verify_document
from reconciler.views.version_text import version_document
from tests.views import sample_plans as samples
from tests.views import test_verify_views as proofs
from tests.views.sample_history import HISTORY
from tests.views.sample_resource import SHOWN

ADDRESS = Address("Key/analytics")
EVENTS: list[events.Event] = [
    events.ApplyStarted(plan_id="01J", operations=2, steps=4),
    events.Resumed(address=ADDRESS, step="create", resolution="the key was made; finished"),
    events.OperationStarted(address=ADDRESS, verb="create", reason="declared, and not there"),
    events.StepStarted(address=ADDRESS, step="create", summary="create the key", number=1, of=3),
    events.StepProgress(address=ADDRESS, step="create", text="waiting", done=1, total=None),
    events.StepFinished(address=ADDRESS, step="create", serial=34, seconds=0.12),
    events.OperationFinished(address=ADDRESS, verb="create", seconds=0.5),
    events.OperationFailed(address=ADDRESS, verb="create", diagnostics=(Diagnostic(code="x", summary="no"),)),
    events.OperationSkipped(address=ADDRESS, verb="create", because="Key/orders failed"),
    events.ApplyFinished(done=1, failed=1, skipped=0, serial=34),
]
KINDS_OF_EVENT = {
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event
}
ANSWER = QueryResult(
    columns=("a", "b"),
    rows=[
        (None, Decimal("1.50")),
        (date(2013, 1, 1), datetime(2013, 1, 1, 5, tzinfo=UTC)),
        (float("nan"), b"\x00\xff"),
        ([1, Decimal("2")], {"k": UUID(int=1)}),
    ],
)
MADE = made_credential(
    bytes,
    "arn:aws:iam::111122223333:role/app",
    datetime(2026, 1, 5, tzinfo=UTC),
    tags={"team": "orders"},
    expires=datetime(2026, 1, 6, tzinfo=UTC),
)
CHECKED = Answer(
    key="Key/orders",
    request=Request(caller=caller_of("arn:aws:iam::111122223333:role/app", "111122223333"), operation="Decrypt"),
    decision=Decision(Effect.EXPLICIT_DENY, Source.KEY_POLICY, 'statement "No" denies it', statement="No"),
    as_planned=True,
)
STORE = StoreDescription(
    path=Path("/home/keys.db"),
    seal="a seal file",
    is_as_declared=True,
    generation=1,
    keys=2,
    materials=3,
    position=4,
    size=5,
)
EXPORTED = ExportedTable(name="flights", rows=336_776, bytes=9_000_000, files=("flights/part-00000.parquet",))
DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("plan", plan_document(samples.FULL)),
    ("plan", plan_document(samples.EMPTY)),
    ("drift", drift_document([samples.RENAMED, samples.DISABLED, samples.GRANT_MISSING], checked=12)),
    ("drift", drift_document([])),
    ("blast-radius", blast_radius_document(samples.RADIUS)),
    ("blast-radius", blast_radius_document(samples.FREE)),
    ("diagnostics", diagnostics_document([samples.WARNING, Diagnostic(code="x", summary="no")])),
    ("state", state_document(samples.ROWS, lineage="l", serial=33)),
    ("state-list", state_list_document([], lineage="l", serial=0)),
    ("state-history", history_document(HISTORY, lineage="l", serial=2, verified=True)),
    ("state-history", history_document([], lineage="", serial=0, verified=False)),
    ("graph", graph_document([ADDRESS, Address("Alias/a")], [(Address("Alias/a"), ADDRESS)])),
    ("lock-list", lock_list_document(samples.HOLDER, Liveness.ALIVE, lineage="l")),
    ("lock-list", lock_list_document(None, None, lineage="")),
    ("resource", resource_document(Address("Cluster/sales"), SHOWN)),
    ("export", export_document([EXPORTED], folder="out", form="encrypted-parquet")),
    ("keystore-list", keystore_list_document({"kms": STORE, "abroad": None})),
    ("keystore-list", keystore_list_document({})),
    ("query-result", result_document(ANSWER)),
    ("statement-result", statement_document(StatementResult(verb="INSERT", rows_changed=3))),
    ("statement-result", statement_document(StatementResult(verb="DROP TABLE"))),
    ("access-check", access_document(CHECKED)),
    (
        "audit-check",
        audit_check_document({"a": CheckedAudit(7, None), "b": CheckedAudit(3, AuditBreak(4, "no"))}),
    ),
    ("audit-check", audit_check_document({})),
    ("verify", verify_document([], full=False)),
    ("verify", verify_document(proofs.ALL, full=True)),
    ("credentials-made", made_document(MADE)),
    ("credentials-list", credentials_document([MADE])),
    ("credentials-list", credentials_document([])),
    ("version", version_document("0.1.0", python="3.11", platform="Linux", plugins={"softkms": "0.1.0"})),
    *(("apply-event", event_document(event)) for event in EVENTS),
]


@pytest.mark.parametrize(("name", "document"), DOCUMENTS)
def test_each_document_is_what_its_schema_says(name: str, document: dict[str, Any]) -> None:
    Draft202012Validator(load_schema(name)).validate(json.loads(render_json(document)))


@pytest.mark.parametrize("name", names())
def test_each_schema_is_one_is_used_and_closed_against_slips(name: str) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    documents = [document for used, document in DOCUMENTS if used == name]
    assert documents, "no document of this schema is tested"
    assert not Draft202012Validator(schema).is_valid({**documents[0], "slip": 1})
    assert not Draft202012Validator(schema).is_valid({**documents[0], "formatVersion": 2})


def test_the_schemas_know_the_words_of_the_model() -> None:
    plan, apply = load_schema("plan"), load_schema("apply-event")
    operation = plan["$defs"]["operation"]["properties"]
    assert operation["verb"]["enum"] == [str(verb) for verb in Verb]
    assert operation["impact"]["properties"]["availability"]["enum"] == [str(one) for one in Availability]
    assert plan["$defs"]["change"]["properties"]["action"]["enum"] == [str(action) for action in Action]
    assert set(plan["$defs"]["finding"]["properties"]["class"]["enum"]) == set(SEVERITY)
    types = {variant["properties"]["type"]["const"] for variant in apply["oneOf"]}
    assert types == {event_type(event) for event in KINDS_OF_EVENT}


@pytest.mark.parametrize("part", ["diagnostic", "finding", "dependent"])
def test_what_several_schemas_share_is_the_same_in_each(part: str) -> None:
    found = [schema["$defs"][part] for schema in map(load_schema, names()) if part in schema.get("$defs", {})]
    assert len(found) > 1
    assert all(one == found[0] for one in found)


def test_the_plan_has_the_fields_of_the_contract_in_its_order() -> None:
    document = plan_document(samples.FULL)
    first = ["formatVersion", "planId", "createdAt", "lineage", "serial", "manifestsDigest", "summary"]
    assert list(document) == [*first, "changes", "drift", "warnings", "due"]  # the last is beside the contract
    assert list(document["due"][0]) == ["what", "provider", "kind", "name", "address", "since", "removesData"]
    change = document["changes"][2]
    assert list(change) == ["address", "action", "operations", "diff", "blocked", "blastRadius"]
    assert list(change["operations"][0]) == ["verb", "reason", "steps", "impact"]
    assert list(change["operations"][0]["steps"][0]) == ["id", "summary", "reversible"]
    costs = ["availability", "bytes", "keyServiceCalls"]
    assert [list(one["impact"]) for one in change["operations"]] == [[*costs, "seconds"], costs]
    assert list(change["diff"][0]) == ["path", "before", "after"]
    assert list(document["changes"][5]["blocked"][0]) == ["guard", "reason", "wayOut"]
    finding = ["address", "class", "severity", "path", "expected", "observed", "observedAt", "fix"]
    assert list(document["drift"][0]) == finding
    assert document["createdAt"] == "2026-01-05T09:00:00Z"


def test_documents_as_pipelines_read_them(golden: Callable[[str, str], None]) -> None:
    golden("plan.json", render_json(plan_document(samples.FULL)))
    lines: list[str] = []
    write = ApplyJson(lines.append)
    for event in EVENTS:
        write(event)
    assert all(line.count("\n") == 1 for line in lines)
    golden("apply.jsonl", "".join(lines))


def test_what_json_has_no_type_for_is_a_string() -> None:
    rows = result_document(ANSWER)["rows"]
    assert rows[0] == [None, "1.50"]
    assert rows[1] == ["2013-01-01", "2013-01-01T05:00:00+00:00"]
    assert rows[2] == ["nan", "00ff"]
    assert rows[3] == [[1, "2"], {"k": "00000000-0000-0000-0000-000000000001"}]


def test_bytes_in_a_document_are_refused_rather_than_shown() -> None:
    with pytest.raises(TypeError):
        render_json({"key": b"\x00" * 32})


def test_a_state_list_is_ordered_and_brief() -> None:
    heads = [head("Key/b", standing="retained"), head("Key/a", settled=False)]
    document = state_list_document(heads, lineage="l", serial=3)
    Draft202012Validator(load_schema("state-list")).validate(document)
    assert [resource["address"] for resource in document["resources"]] == ["Key/a", "Key/b"]


def head(address: str, *, standing: str = "managed", settled: bool = True) -> Head:
    return Head(
        address=Address(address), digest=None, identity=None, links="", due_at=None, settled=settled, standing=standing
    )


def test_every_event_has_a_document_in_the_table() -> None:
    assert {type(event) for event in EVENTS} == KINDS_OF_EVENT
