"""A policy document is taken as the language allows, or refused with the statement and the reason (KM2, I21)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.access.parsing import check_policy_text, parse_policy
from reconciler.access.wildcard import matcher
from reconciler.errors import MalformedPolicyDocumentException
from tests.access.asking import ACCOUNT, allow, caller, decided

REFUSED: dict[str, tuple[object, str]] = {
    "no object": ([], "the policy must be an object"),
    "a text": ("{}", "the policy must be an object"),
    "no statement": ({"Version": "2012-10-17"}, "Statement must be a statement or a list of at least one"),
    "an empty list": ({"Statement": []}, "Statement must be a statement or a list of at least one"),
    "a statement that is a text": ({"Statement": ["Allow"]}, "statement 1 must be an object"),
    "an unknown version": ({**allow(), "Version": "2020-01-01"}, "Version must be one of 2012-10-17, 2008-10-17"),
    "an unknown element": ({**allow(), "Statements": []}, 'the policy: unknown element "Statements"'),
    "an Id that is no text": ({**allow(), "Id": 1}, "Id must be a text"),
    "an unknown part": (allow(Principals="*"), 'statement 1: unknown element "Principals"'),
    "a Sid that is no text": (allow(Sid=1), "statement 1: Sid must be a text"),
    "no effect": (allow(Effect=None), "statement 1: Effect must be Allow or Deny"),
    "another effect": (allow(Effect="allow"), 'Effect must be Allow or Deny, not "allow"'),
    "both actions": (allow(NotAction="kms:*"), "statement 1: needs Action or NotAction, not both"),
    "no action": (
        {"Statement": {"Effect": "Allow", "Principal": "*", "Resource": "*"}},
        "statement 1: needs Action or NotAction",
    ),
    "no resource": (
        {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}},
        "statement 1: needs Resource or NotResource",
    ),
    "no principal": (
        {"Statement": {"Effect": "Allow", "Resource": "*", "Action": "*"}},
        "statement 1: needs Principal or NotPrincipal",
    ),
    "an action without service": (allow(Action="Decrypt"), '"Decrypt" is no action; one reads "kms:Decrypt"'),
    "no actions in the list": (allow(Action=[]), "statement 1: Action is empty"),
    "a resource that is no ARN": (allow(Resource="orders"), '"orders" is no resource; "*" stands for this key'),
    "an empty principal": (allow(Principal={}), "statement 1: Principal is empty"),
    "a principal that is a name": (allow(Principal={"AWS": "ana"}), '"ana" is no valid principal'),
    "a principal with a short account": (
        allow(Principal={"AWS": "arn:aws:iam::1111:"}),
        '"arn:aws:iam::1111:" is no valid principal',
    ),
    "a service that is none": (allow(Principal={"Service": "redshift"}), '"redshift" is no valid principal'),
    "a kind of principal that there is not": (allow(Principal={"User": "x"}), 'unknown element "User"'),
    "a number for a principal": (allow(Principal={"AWS": 1}), "Principal.AWS must be a text or a list of texts"),
    "an unknown operator": (allow(Condition={"StringSame": {"a": "b"}}), 'unknown condition operator "StringSame"'),
    "an unknown quantifier": (
        allow(Condition={"ForSome:StringLike": {"a": "b"}}),
        'unknown condition operator "ForSome:StringLike"',
    ),
    "no values": (allow(Condition={"StringLike": {"a": []}}), "Condition.StringLike.a is empty"),
    "a value of another type": (allow(Condition={"StringLike": {"a": [None]}}), "must be a text or a list of texts"),
    "a date that is none": (
        allow(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}}),
        'DateLessThan on "aws:CurrentTime" cannot take the value "soon"',
    ),
    "a number that is none": (allow(Condition={"NumericEquals": {"a": "NaN"}}), 'cannot take the value "NaN"'),
    "a network that is none": (allow(Condition={"IpAddress": {"a": "10.0.0.0/99"}}), "cannot take the value"),
    "a truth that is none": (allow(Condition={"Bool": {"a": "yes"}}), 'cannot take the value "yes"'),
    "an ARN that is none": (allow(Condition={"ArnLike": {"a": "user/*"}}), 'cannot take the value "user/*"'),
    "null of another value": (allow(Condition={"Null": {"a": "maybe"}}), "takes one value, true or false"),
    "a variable that does not end": (
        allow(Condition={"StringEquals": {"a": "${aws:username"}}),
        'StringEquals on "a" cannot take the value "${aws:username"',
    ),
    "a variable without a name": (allow(Condition={"StringLike": {"a": "${}"}}), 'cannot take the value "${}"'),
    "a variable that is several values": (
        allow(Condition={"StringLike": {"a": "${aws:TagKeys}"}}),
        'cannot take the value "${aws:TagKeys}"',
    ),
    "a variable in a number": (allow(Condition={"NumericEquals": {"a": "${aws:username}"}}), "cannot take the value"),
    "a variable in an action": (allow(Action="kms:${aws:username}"), "is no action"),
    "a variable in a principal": (allow(Principal={"AWS": "${aws:PrincipalArn}"}), "is no valid principal"),
    "a variable in a resource that does not end": (
        allow(Resource="arn:aws:kms:*:*:key/${x"),
        "holds a policy variable that cannot be read",
    ),
    "bytes that are none": (allow(Condition={"BinaryEquals": {"a": "?"}}), 'cannot take the value "?"'),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_document_is_refused(why: str) -> None:
    document, expected = REFUSED[why]
    with pytest.raises(MalformedPolicyDocumentException) as refused:
        parse_policy(document)
    assert expected in refused.value.summary


def test_a_refusal_names_statement_and_sid() -> None:
    document = allow()
    document["Statement"].append({**document["Statement"][0], "Sid": "the second", "Effect": "?"})
    with pytest.raises(MalformedPolicyDocumentException, match=r'statement 2 \("the second"\): Effect'):
        parse_policy(document)


def test_an_identity_policy_names_no_principal() -> None:
    with pytest.raises(MalformedPolicyDocumentException, match="an identity policy names no Principal"):
        parse_policy(allow(), identity=True)


@pytest.mark.parametrize("version", [{}, {"Version": "2008-10-17"}, {"Version": "2012-10-17"}])
def test_the_version_may_be_old_or_absent(version: dict[str, str]) -> None:
    document = {"Id": "any", **version, "Statement": allow(Sid="A Sid with spaces")["Statement"]}
    decision = decided(document, caller(), "Decrypt")
    assert (decision.allowed, decision.statement) == (True, "A Sid with spaces")


def test_size_and_characters_of_a_kept_policy() -> None:
    check_policy_text("x" * 32768)
    for text in ("x" * 32769, "é" * 16385, "\x00", "€"):
        with pytest.raises(MalformedPolicyDocumentException):
            check_policy_text(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["Version", "Statement", "Sid", "Effect", "Principal", "Action", "Resource", "Condition"]))
def test_whatever_comes_is_a_policy_or_one_refusal(value: Any, where: str) -> None:
    document = {**allow(), where: value} if where in ("Version", "Statement") else allow(**{where: value})
    try:
        parsed = parse_policy(document)
    except MalformedPolicyDocumentException:
        return
    assert parsed.statements


WILD = st.text(alphabet="ab*?", max_size=8)


@given(WILD, st.text(alphabet="ab", max_size=8))
def test_wildcards_match_as_their_definition_says(pattern: str, text: str) -> None:
    def defined(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(defined(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and defined(pattern[1:], text[1:])

    assert matcher(pattern)(text) is defined(pattern, text)


def test_a_hostile_pattern_takes_no_time() -> None:
    assert not matcher("*a" * 2000 + "?b")("a" * 4000)
    assert matcher(f"arn:aws:iam::{ACCOUNT}:user/*")(f"arn:aws:iam::{ACCOUNT}:user/ana")
