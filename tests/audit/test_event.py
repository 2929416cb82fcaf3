"""An audit record reads as the public event, field by field (AU1–AU3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.audit.event import event
from reconciler.audit.record import AuditRecord

SAMPLES = [
    json.loads(line) for line in (Path(__file__).parent / "samples" / "audit-of-a-table.jsonl").read_text().splitlines()
]
ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0f0f0f0f-1111-4222-8333-444455556666"
CASSANDRA = "cassandra.eu-west-1.amazonaws.com"


def record(**parts: Any) -> AuditRecord:
    plain: dict[str, Any] = {
        "time": datetime(2026, 1, 5, 9, 0, 1, tzinfo=UTC),
        "name": "DescribeKey",
        "principal": f"arn:aws:iam::{ACCOUNT}:user/db-lead",
        "account": ACCOUNT,
        "region": "eu-west-1",
        "owner_account": ACCOUNT,
        "request_id": bytes(range(16)),
        "event_id": bytes(range(16, 32)),
        "key_arns": (KEY,),
    }
    return AuditRecord(**(plain | parts))


def as_in_sample(sample: dict[str, Any]) -> AuditRecord:
    is_service = sample["userIdentity"]["type"] == "AWSService"
    return record(
        time=datetime.fromisoformat(sample["eventTime"]),
        name=sample["eventName"],
        principal=CASSANDRA if is_service else sample["userIdentity"]["arn"],
        via_service=None if is_service else CASSANDRA,
        parameters=sample["requestParameters"],
        response=sample["responseElements"],
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["eventName"] for sample in SAMPLES])
def test_the_records_of_a_tables_first_minutes(sample: dict[str, Any]) -> None:
    made = event(as_in_sample(sample))
    assert shape(made) == shape(sample), "the same names in the same order, all the way down"
    assigned = {"requestID", "eventID", "sharedEventID", "userIdentity"}
    assert {name: value for name, value in made.items() if name not in assigned} == {
        name: value for name, value in sample.items() if name not in assigned
    }
    invented = {"principalId", "accessKeyId", "sessionContext"}
    for name, value in sample["userIdentity"].items():
        if name not in invented:
            assert made["userIdentity"][name] == value


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    return [shape(inner) for inner in value] if isinstance(value, list) else None


@pytest.mark.parametrize(
    ("principal", "kind", "name"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/path/ana", "IAMUser", "ana"),
        (f"arn:aws:iam::{ACCOUNT}:root", "Root", None),
        (f"arn:aws:iam::{ACCOUNT}:role/orders", "AssumedRole", "orders"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/orders/ana", "AssumedRole", "orders"),
    ],
)
def test_who_is_named(principal: str, kind: str, name: str | None) -> None:
    """AU3: a direct call has no invokedBy and shows where it came from."""
    made = event(record(principal=principal))
    identity = made["userIdentity"]
    assert (identity["type"], identity["arn"], identity["accountId"]) == (kind, principal, ACCOUNT)
    assert identity.get("userName", identity["sessionContext"]["sessionIssuer"].get("userName")) == name
    assert "invokedBy" not in identity
    assert "sharedEventID" not in made
    assert (made["sourceIPAddress"], made["userAgent"]) == ("127.0.0.1", "reconciler")


def test_a_refusal_carries_its_code_and_words() -> None:
    made = event(record(name="Decrypt", error_code="AccessDeniedException", error_message="User: … is not authorized"))
    assert (made["errorCode"], made["errorMessage"]) == ("AccessDenied", "User: … is not authorized")
    assert made["responseElements"] is None
    assert "errorCode" not in event(record())


@pytest.mark.parametrize(
    ("name", "read_only"),
    [
        ("GenerateDataKey", True),
        ("DescribeKey", True),
        ("Decrypt", True),
        ("CreateGrant", False),
        ("RetireGrant", False),
        ("DisableKey", False),
        ("PutKeyPolicy", False),
    ],
)
def test_read_only(name: str, read_only: bool) -> None:
    assert event(record(name=name))["readOnly"] is read_only


def test_what_the_key_service_does_of_its_own_accord() -> None:
    made = event(record(name="DeleteKey", principal="kms.amazonaws.com", by_service_itself=True))
    assert made["eventType"] == "AwsServiceEvent"
