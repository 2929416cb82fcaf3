"""A decision told in full: each statement and grant, and why it did or did not speak."""

from __future__ import annotations

import json

import pytest

from reconciler.access.explanation import MOST_GRANTS, explain, told
from reconciler.access.grants import Grant
from reconciler.access.parsing import parse_policy
from reconciler.access.request import GrantTerms
from tests.access.asking import ACCOUNT, EVERYTHING, KEY, caller, request

ANA = f"arn:aws:iam::{ACCOUNT}:user/ana"
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"


def statement(sid: str, principal: str = ANA, **parts: object) -> dict[str, object]:
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*", **parts}


POLICY = parse_policy(
    {
        "Version": "2012-10-17",
        "Statement": [
            statement("of bob", BOB),
            statement("of another action", Action="kms:Encrypt"),
            statement("of another key", Resource=f"{KEY.arn}0"),
            statement("under a condition", Condition={"StringEquals": {"kms:EncryptionContext:a": "2"}}),
            statement("of the account", ACCOUNT),
            statement("that denies", Effect="Deny", Action="kms:PutKeyPolicy"),
        ],
    }
)


def test_every_statement_says_why_it_does_not_speak() -> None:
    trace = explain(request(caller(), "Decrypt", context={"a": "1"}), POLICY)
    assert {one["statement"]: (one["outcome"], one["why"]) for one in trace["keyPolicy"]} == {
        "of bob": ("other-principal", f"it does not name {ANA}"),
        "of another action": ("other-action", "it does not name kms:Decrypt"),
        "of another key": ("other-resource", "it speaks of another resource"),
        "under a condition": (
            "condition-not-met",
            "its condition StringEquals kms:EncryptionContext:a is not met: the request has 1",
        ),
        "of the account": (
            "delegates",
            "it names the account, so an identity policy of the caller has to allow as well",
        ),
        "that denies": ("other-action", "it does not name kms:Decrypt"),
    }
    assert trace["keyPolicy"][3]["conditions"] == [
        {"condition": "StringEquals kms:EncryptionContext:a", "met": False, "requestHas": ["1"]}
    ]
    assert not trace["allowed"]


def test_the_deciding_statement_policy_or_grant_is_named() -> None:
    own = parse_policy(
        {"Statement": {"Sid": "mine", "Effect": "Allow", "Action": "*", "Resource": "*"}}, identity=True, name="app"
    )
    by_identity = explain(request(caller(), "Decrypt"), POLICY, [own])
    assert (by_identity["statement"], by_identity["policy"], by_identity["source"]) == (
        "mine",
        "app",
        "identity-policy",
    )
    assert by_identity["reason"].endswith('statement "mine" of the identity policy "app" allows kms:Decrypt')
    grant = Grant("f" * 64, GrantTerms(grantee_principal=ANA, operations=("Decrypt",)))
    assert explain(request(caller(), "Decrypt"), POLICY, (), [grant])["grantId"] == "f" * 64
    denied = explain(request(caller(), "PutKeyPolicy"), POLICY, [own])
    assert (denied["effect"], denied["statement"]) == ("explicit-deny", "that denies")


@pytest.mark.parametrize(
    ("terms", "outcome"),
    [
        (GrantTerms(grantee_principal=ANA, operations=("Decrypt",)), "allows"),
        (GrantTerms(grantee_principal=BOB, operations=("Decrypt",)), "other-principal"),
        (GrantTerms(grantee_principal=ANA, operations=("Encrypt",)), "other-operation"),
        (GrantTerms(grantee_principal=ANA, operations=("Decrypt",), context_equals={"b": "1"}), "other-context"),
        (GrantTerms(grantee_principal=f"arn:aws:iam::{ACCOUNT}:root", operations=("Decrypt",)), "delegates"),
    ],
)
def test_every_grant_says_why_it_does_not_speak(terms: GrantTerms, outcome: str) -> None:
    trace = explain(request(caller(), "Decrypt", context={"a": "1"}), POLICY, (), [Grant("f" * 64, terms)])
    assert [one["outcome"] for one in trace["grants"]] == [outcome]


def test_of_thousands_of_grants_the_deciding_one_is_told_first_and_the_rest_counted() -> None:
    grants = [Grant(f"{n:064x}", GrantTerms(grantee_principal=BOB, operations=("Decrypt",))) for n in range(1000)]
    grants.append(Grant("f" * 64, GrantTerms(grantee_principal=ANA, operations=("Decrypt",))))
    trace = explain(request(caller(), "Decrypt"), POLICY, (), grants)
    assert trace["grants"][0]["grantId"] == "f" * 64
    assert len(trace["grants"]) == MOST_GRANTS
    assert trace["grantsNotShown"] == 1001 - MOST_GRANTS


def test_a_trace_is_plain_data_and_can_be_told_in_lines() -> None:
    grant = Grant("f" * 64, GrantTerms(grantee_principal=BOB, operations=("Decrypt",)))
    trace = explain(request(caller(), "Decrypt", context={"a": "1"}), POLICY, [EVERYTHING], [grant])
    assert json.loads(json.dumps(trace)) == trace
    lines = list(told(trace))
    assert 'key policy, statement "of bob" (Allow): it does not name ' + ANA in lines
    assert 'identity policy, statement "all" (Allow): it allows kms:Decrypt' in lines
    assert lines[-1] == f"grant {'f' * 64}: its grantee is {BOB}"
