"""A life under a key, told from its events: complete, or what is missing (AU2, AU4)."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.audit.evidence import (
    LIFE,
    Way,
    context_by_name,
    contexts_before,
    contexts_naming,
    described_for,
    ended,
    grants_made,
    life_of,
    ways_of,
)

KEY = "arn:aws:kms:eu-west-1:111122223333:key/0f0f0f0f-1111-4222-8333-444455556666"
LEAD = "arn:aws:iam::111122223333:user/db-lead"
CONTEXT = {"aws:cassandra:tableName": "orders", "aws:cassandra:keyspaceName": "shop"}


OWN = Way(KEY, CONTEXT, ("g-1",))
OLD = CONTEXT | {"aws:cassandra:tableName": "before"}


def event(name: str, second: int, **more: Any) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventTime": f"2026-01-05T09:00:{second:02}Z",
        "userIdentity": {"arn": LEAD, "invokedBy": "AWS Internal"},
        "requestParameters": {"encryptionContext": CONTEXT},
        "responseElements": None,
        "resources": [{"ARN": KEY}],
        **more,
    }


def made(second: int, grant_id: str = "g-1", **more: Any) -> dict[str, Any]:
    constraints = {"encryptionContextSubset": more.pop("context", CONTEXT)}
    asked = {"constraints": constraints, **more.pop("asked", {})}
    answer = {"grantId": grant_id}
    return event("CreateGrant", second, requestParameters=asked, responseElements=answer, **more)


def over(second: int, name: str = "RetireGrant", grant_id: str = "g-1", **more: Any) -> dict[str, Any]:
    return event(name, second, requestParameters={"keyId": KEY, "grantId": grant_id}, **more)


def moved(second: int, key: str = KEY, before: dict[str, str] = OLD) -> dict[str, Any]:
    asked = {"sourceEncryptionContext": before, "destinationEncryptionContext": CONTEXT, "destinationKeyId": key}
    return event("ReEncrypt", second, requestParameters=asked, resources=[{"ARN": key}, {"ARN": f"{KEY}0"}])


WHOLE = [event("DescribeKey", 0), made(1), event("GenerateDataKey", 2), event("Decrypt", 3), over(4)]


def problems(events: list[dict[str, Any]], way: Way = OWN, *, is_there: bool, unused: bool = False) -> dict[str, str]:
    standing = way.grants[-1:] if is_there else ()
    links = life_of(events, way, standing, may_be_unused=unused)
    return {link.name: link.problem for link in links if link.problem}


def test_a_whole_life_has_no_problem() -> None:
    assert problems(WHOLE, is_there=False) == {}
    assert problems(WHOLE[:-1], is_there=True) == {}, "what is there has not ended"


@pytest.mark.parametrize("name", LIFE)
@pytest.mark.parametrize("unused", [False, True])
def test_each_missing_link_is_told(name: str, unused: bool) -> None:
    left = [one for one in WHOLE if one["eventName"] != name]
    assert list(problems(left, is_there=False, unused=unused)) == [name]


def test_a_link_that_was_refused_is_none() -> None:
    refused = [one | {"errorCode": "AccessDenied"} if one["eventName"] == "Decrypt" else one for one in WHOLE]
    assert list(problems(refused, is_there=False)) == ["Decrypt"]


def test_a_key_used_before_it_was_granted_is_told() -> None:
    events = [event("GenerateDataKey", 0), event("DescribeKey", 1), made(2), event("Decrypt", 3)]
    assert list(problems(events, is_there=True)) == ["GenerateDataKey"]
    events = [event("Decrypt", 0), event("DescribeKey", 1), made(2), event("GenerateDataKey", 3), event("Decrypt", 4)]
    assert list(problems(events, is_there=True)) == ["Decrypt"]


def test_a_grant_that_was_revoked_is_not_retired_and_one_of_something_that_is_there_has_not_ended() -> None:
    revoked = [*WHOLE[:-1], over(9, "RevokeGrant")]
    assert "revoked" in problems(revoked, is_there=False)["RetireGrant"]
    assert "has ended (RevokeGrant)" in problems(revoked, is_there=True)["RetireGrant"]
    assert "has ended (RetireGrant)" in problems(WHOLE, is_there=True)["RetireGrant"]


COMPLETE: dict[str, tuple[list[dict[str, Any]], Way]] = {
    "by a grant in the place of one that was retired": (
        [*WHOLE, made(5, "g-2"), event("Decrypt", 6)],
        Way(KEY, CONTEXT, ("g-1", "g-2")),
    ),
    "with what another object's grant ended": ([*WHOLE[:-1], over(4, grant_id="g-9")], OWN),
    "with a key that was wrapped anew for it": (
        [event("DescribeKey", 0), made(1), moved(2), event("Decrypt", 3)],
        OWN,
    ),
    "with a canary before it": (
        [event("DescribeKey", 0), made(1), event("Encrypt", 2), event("Decrypt", 2), moved(3), event("Decrypt", 4)],
        OWN,
    ),
    "by a key that only wraps": (
        [event("DescribeKey", 0), made(1), event("Encrypt", 2), event("Decrypt", 3)],
        Way(KEY, CONTEXT, ("g-1",), makes_keys=False),
    ),
}


@pytest.mark.parametrize("what", COMPLETE)
def test_a_life_is_complete(what: str) -> None:
    events, way = COMPLETE[what]
    assert problems(events, way, is_there=True) == {}


GAPS: dict[str, tuple[list[dict[str, Any]], Way, str]] = {
    "a key that was only wrapped away from it": (
        [event("DescribeKey", 0), made(1), moved(2, key=f"{KEY}0"), event("Decrypt", 3)],
        OWN,
        "no record of GenerateDataKey",
    ),
    "a canary is no key": (
        [event("DescribeKey", 0), made(1), event("Encrypt", 2), event("Decrypt", 2)],
        OWN,
        "no record of GenerateDataKey",
    ),
    "a key that only wraps, and did not": (
        [event("DescribeKey", 0), made(1), event("GenerateDataKey", 2), event("Decrypt", 3)],
        Way(KEY, CONTEXT, ("g-1",), makes_keys=False),
        "no record of Encrypt",
    ),
    "one of its grants was never given back": (
        [*WHOLE[:-1], made(5, "g-2"), event("Decrypt", 6)],
        Way(KEY, CONTEXT, ("g-1", "g-2")),
        "no record of RetireGrant",
    ),
    "another key was opened": (
        [*WHOLE[:3], event("Decrypt", 3, resources=[{"ARN": f"{KEY}0"}])],
        OWN,
        "no record of Decrypt",
    ),
}


@pytest.mark.parametrize("what", GAPS)
def test_a_gap_is_told(what: str) -> None:
    events, way, words = GAPS[what]
    (problem,) = problems(events, way, is_there=True).values()
    assert words in problem


def test_a_way_that_nothing_was_wrapped_on_may_be_unused_and_is_given_back_all_the_same() -> None:
    events = [event("DescribeKey", 0), made(1)]
    assert problems(events, is_there=True, unused=True) == {}
    assert list(problems(events, is_there=True)) == ["GenerateDataKey", "Decrypt"]
    assert list(problems(events, is_there=False, unused=True)) == ["RetireGrant"]
    assert problems([*events, over(2)], is_there=False, unused=True) == {}


def test_a_grant_that_is_gone_with_its_key_has_ended() -> None:
    gone = over(4, errorCode="NotFoundException")
    assert problems([*WHOLE[:-1], gone], is_there=False) == {}
    assert ended([gone]) == set()
    assert ended([over(4), over(5, "RevokeGrant", "g-2")]) == {"g-1", "g-2"}


def test_ways_are_the_keys_and_contexts_of_services_grants() -> None:
    other = f"{KEY}0"
    of_key = {"resources": [{"ARN": other}]}
    events = [
        made(1),
        made(2, "g-2", **of_key),
        made(3, "g-3"),
        made(4, "users", userIdentity={"arn": LEAD}),
        made(5, "refused", errorCode="AccessDenied"),
        made(6, "escrow", context=OLD, asked={"operations": ["Encrypt", "Decrypt"]}, **of_key),
        made(7, "narrowed to nothing", context={}),
    ]
    assert ways_of([CONTEXT, OLD], events, {}) == [
        Way(KEY, CONTEXT, ("g-1", "g-3")),
        Way(other, CONTEXT, ("g-2",)),
        Way(other, OLD, ("escrow",), makes_keys=False),
    ]
    assert ways_of([CONTEXT], [], {"g-1": [OWN]}) == [OWN], "it is held, and there is no record of it"
    common = made(1, context={"aws:cassandra:keyspaceName": "shop"})
    assert ways_of([CONTEXT], [common], {"g-1": [OWN]}) == [OWN]


def test_the_contexts_before_are_those_that_keys_were_wrapped_from() -> None:
    assert contexts_before([moved(1), moved(2), moved(3, before=CONTEXT)], CONTEXT) == [OLD]
    assert contexts_before([moved(1)], OLD) == []


def test_a_grant_may_name_its_object_by_the_uid() -> None:
    named = made(1, context={"reconciler:cluster": "u-1"})
    assert contexts_naming([made(0), named], "u-1") == [{"reconciler:cluster": "u-1"}]
    assert contexts_naming([named], "") == []


def test_grants_and_their_contexts_are_read_from_the_events_that_made_them() -> None:
    assert grants_made([*WHOLE, made(2), made(3)]) == ["g-1"]
    assert context_by_name([made(2)], "orders") == CONTEXT
    assert context_by_name([made(2)], "order") is None


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
