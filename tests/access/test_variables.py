"""What a policy variable stands for, where, and that it never becomes a wildcard (KM2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.access.decision import decide_identity
from reconciler.access.parsing import parse_policy
from tests.access.asking import ACCOUNT, KEY, REGION, allow, caller, decided, request

ANA = replace(caller(), tags={"team": "shop", "star": "*"})
TEAM = "kms:EncryptionContext:team"

# operator, written value, facts of the request, met?
CASES: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "a tag of the principal": ("StringEquals", "${aws:PrincipalTag/team}", {"context": {"team": "shop"}}, True),
    "another value": ("StringEquals", "${aws:PrincipalTag/team}", {"context": {"team": "bank"}}, False),
    "case does not count in its name": (
        "StringEquals",
        "${AWS:principaltag/Team}",
        {"context": {"team": "shop"}},
        True,
    ),
    "within a text": ("StringEquals", "x-${aws:username}-y", {"context": {"team": "x-ana-y"}}, True),
    "several": ("StringEquals", "${aws:username}/${kms:CallerAccount}", {"context": {"team": f"ana/{ACCOUNT}"}}, True),
    "beside a wildcard": ("StringLike", "${aws:username}*", {"context": {"team": "ana-1"}}, True),
    "a wildcard is none to StringEquals": ("StringEquals", "${aws:username}*", {"context": {"team": "ana-1"}}, False),
    "ignoring case": ("StringEqualsIgnoreCase", "${aws:username}", {"context": {"team": "ANA"}}, True),
    "a value is never a wildcard": ("StringLike", "${aws:PrincipalTag/star}", {"context": {"team": "any"}}, False),
    "a value may hold a star": ("StringLike", "${aws:PrincipalTag/star}", {"context": {"team": "*"}}, True),
    "a star itself": ("StringLike", "a${*}", {"context": {"team": "ab"}}, False),
    "a star itself, given": ("StringLike", "a${*}", {"context": {"team": "a*"}}, True),
    "a question mark itself": ("StringLike", "a${?}", {"context": {"team": "ab"}}, False),
    "a dollar itself": ("StringEquals", "${$}{x}", {"context": {"team": "${x}"}}, True),
    "without a value it fits nothing": ("StringEquals", "${aws:PrincipalTag/none}", {"context": {"team": ""}}, False),
    "and so it is not equal to anything": (
        "StringNotEquals",
        "${aws:PrincipalTag/none}",
        {"context": {"team": "shop"}},
        True,
    ),
    "a default, for want of a value": (
        "StringEquals",
        "${aws:PrincipalTag/none, 'shop'}",
        {"context": {"team": "shop"}},
        True,
    ),
    "no default where there is a value": (
        "StringEquals",
        "${aws:PrincipalTag/team, 'bank'}",
        {"context": {"team": "bank"}},
        False,
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_variable_stands_for(rule: str) -> None:
    operator, written, facts, met = CASES[rule]
    decision = decided(allow(Condition={operator: {TEAM: written}}), ANA, "Decrypt", **facts)
    assert decision.allowed is met, decision.reason


@pytest.mark.parametrize(
    ("written", "source", "met"),
    [
        (
            "arn:aws:redshift:*:${aws:PrincipalAccount}:cluster:one",
            f"arn:aws:redshift:{REGION}:{ACCOUNT}:cluster:one",
            True,
        ),
        (
            "arn:aws:redshift:*:${aws:PrincipalAccount}:cluster:*",
            f"arn:aws:redshift:{REGION}:{ACCOUNT}:cluster:one",
            True,
        ),
        (
            "arn:aws:redshift:*:${aws:PrincipalAccount}:cluster:two",
            f"arn:aws:redshift:{REGION}:{ACCOUNT}:cluster:one",
            False,
        ),
        ("${aws:PrincipalArn}", f"arn:aws:iam::{ACCOUNT}:user/ana", True),
        ("arn:aws:redshift:*:${aws:PrincipalTag/star}:cluster:one", f"arn:aws:redshift:{REGION}:1:cluster:one", False),
    ],
)
def test_a_variable_in_an_arn(written: str, source: str, met: bool) -> None:
    policy = allow(Condition={"ArnLike": {"aws:SourceArn": written}})
    assert decided(policy, ANA, "Decrypt", attributes={"aws:sourcearn": (source,)}).allowed is met


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        ("arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}", True),
        ("arn:aws:iam::${aws:PrincipalAccount}:user/${aws:PrincipalTag/team}", False),
        ("arn:aws:iam::${aws:PrincipalAccount}:user/*", True),
        ("arn:aws:iam::${aws:PrincipalAccount}:user/${*}", False),
    ],
)
def test_a_variable_in_a_resource(resource: str, allowed: bool) -> None:
    own = parse_policy(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": resource}},
        identity=True,
    )
    ask = replace(request(ANA, "x", key=None, resource=ANA.principal), action="iam:PutUserPolicy")
    assert decide_identity(ask, [own]).allowed is allowed


@pytest.mark.parametrize("version", [{}, {"Version": "2008-10-17"}])
def test_the_older_language_knows_no_variables(version: dict[str, str]) -> None:
    statement = allow(Condition={"StringEquals": {TEAM: "${aws:username}"}})["Statement"]
    policy = {**version, "Statement": statement}
    assert not decided(policy, ANA, "Decrypt", context={"team": "ana"}).allowed
    assert decided(policy, ANA, "Decrypt", context={"team": "${aws:username}"}).allowed


def test_a_variable_in_not_resource() -> None:
    policy = allow()
    (statement,) = policy["Statement"]
    del statement["Resource"]
    statement["NotResource"] = "arn:aws:kms:*:${aws:PrincipalAccount}:key/*"
    assert not decided(policy, ANA, "Decrypt").allowed
    statement["NotResource"] = "arn:aws:kms:*:${aws:PrincipalTag/team}:key/*"
    assert decided(policy, ANA, "Decrypt", key=KEY).allowed


def test_a_policy_asks_for_what_its_variables_stand_for() -> None:
    policy = parse_policy(allow(Condition={"StringLike": {TEAM: "${kms:RequestAlias}"}}))
    assert policy.asks_for("kms:requestalias")
