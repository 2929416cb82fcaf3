"""A life under a key, told from its events: complete, or what is missing (AU2, AU4)."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.audit.evidence import LIFE, context_by_name, described_for, grants_made, life_of

KEY = "arn:aws:kms:eu-west-1:111122223333:key/0f0f0f0f-1111-4222-8333-444455556666"
LEAD = "arn:aws:iam::111122223333:user/db-lead"
CONTEXT = {"aws:cassandra:tableName": "orders", "aws:cassandra:keyspaceName": "shop"}


def event(name: str, second: int, **more: Any) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventTime": f"2026-01-05T09:00:{second:02}Z",
        "userIdentity": {"arn": LEAD, "invokedBy": "AWS Internal"},
        "requestParameters": {},
        "responseElements": None,
        "resources": [{"ARN": KEY}],
        **more,
    }


WHOLE = [event(name, second) for second, name in enumerate(LIFE)]


def problems(events: list[dict[str, Any]], *, is_there: bool) -> dict[str, str]:
    return {link.name: link.problem for link in life_of(events, is_there=is_there) if link.problem}


def test_a_whole_life_has_no_problem() -> None:
    assert problems(WHOLE, is_there=False) == {}
    assert problems(WHOLE[:-1], is_there=True) == {}, "what is there has not ended"


@pytest.mark.parametrize("name", LIFE)
def test_each_missing_link_is_told(name: str) -> None:
    assert list(problems([one for one in WHOLE if one["eventName"] != name], is_there=False)) == [name]


def test_a_link_that_was_refused_is_none() -> None:
    refused = [one | {"errorCode": "AccessDenied"} if one["eventName"] == "Decrypt" else one for one in WHOLE]
    assert list(problems(refused, is_there=False)) == ["Decrypt"]


def test_a_key_used_before_it_was_granted_is_told() -> None:
    events = [event("GenerateDataKey", 0), event("DescribeKey", 1), event("CreateGrant", 2), event("Decrypt", 3)]
    assert list(problems(events, is_there=True)) == ["GenerateDataKey"]


def test_a_grant_that_was_revoked_is_not_retired_and_one_of_something_that_is_there_has_not_ended() -> None:
    revoked = [*WHOLE[:-1], event("RevokeGrant", 9)]
    assert "revoked" in problems(revoked, is_there=False)["RetireGrant"]
    assert "has ended (RevokeGrant)" in problems(revoked, is_there=True)["RetireGrant"]
    assert "has ended (RetireGrant)" in problems(WHOLE, is_there=True)["RetireGrant"]


def test_grants_and_their_contexts_are_read_from_the_events_that_made_them() -> None:
    made = event(
        "CreateGrant",
        2,
        requestParameters={"constraints": {"encryptionContextSubset": CONTEXT}},
        responseElements={"grantId": "g-1"},
    )
    assert grants_made([*WHOLE, made, made]) == ["g-1"]
    assert context_by_name([made], "orders") == CONTEXT
    assert context_by_name([made], "order") is None


def test_the_look_that_goes_before_a_grant_is_that_of_its_maker_at_its_key() -> None:
    grant = event("CreateGrant", 5)
    looks = {
        "before": event("DescribeKey", 4),
        "after": event("DescribeKey", 6),
        "another's": event("DescribeKey", 4, userIdentity={"arn": f"{LEAD}2", "invokedBy": "AWS Internal"}),
        "direct": event("DescribeKey", 4, userIdentity={"arn": LEAD}),
        "of another key": event("DescribeKey", 4, resources=[{"ARN": f"{KEY}0"}]),
    }
    assert described_for(list(looks.values()), [grant]) == [looks["before"]]
