"""What decides agrees with a second reading of the language that shares nothing with it (KM2, KM3, KM7)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.access.caller import Caller
from reconciler.access.decision import Effect, decide
from reconciler.access.explanation import explain
from reconciler.access.grants import Grant
from reconciler.access.parsing import parse_policy
from reconciler.access.request import AccessRequest, GrantTerms
from tests.access.asking import ACCOUNT, KEY, NOON, OTHER_ACCOUNT
from tests.access.naive import verdict

ANA = f"arn:aws:iam::{ACCOUNT}:user/ana"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ABROAD = f"arn:aws:iam::{OTHER_ACCOUNT}:user/bob"
SERVICE = "redshift.amazonaws.com"

callers = st.sampled_from([ANA, ROLE, SESSION, ROOT, ABROAD, SERVICE])
actions = st.sampled_from(["kms:Decrypt", "kms:Encrypt", "kms:DescribeKey"])
texts = st.sampled_from(["a", "A", "ab", "b", "*", "10", "9", "true"])
values = st.sampled_from(
    [
        "a",
        "A",
        "a*",
        "?b",
        "*",
        "10",
        "true",
        "${aws:PrincipalTag/t}",
        "${aws:username}*",
        "${x:none, 'a'}",
        "${*}",
        "${x:none}",
    ]
)
keys = st.sampled_from(
    ["kms:EncryptionContext:c", "kms:EncryptionContextKeys", "aws:PrincipalTag/t", "x:none", "x:many"]
)
strings = st.sampled_from(
    [f"String{name}" for name in ("Equals", "NotEquals", "Like", "NotLike", "EqualsIgnoreCase", "NotEqualsIgnoreCase")]
)
operators = st.builds(
    lambda quantifier, name, exists: f"{quantifier}{name}{exists}",
    st.sampled_from(["", "", "ForAnyValue:", "ForAllValues:"]),
    strings,
    st.sampled_from(["", "", "IfExists"]),
)
conditions = st.one_of(
    st.dictionaries(operators, st.dictionaries(keys, st.lists(values, min_size=1, max_size=2), max_size=2), max_size=2),
    st.just({"Null": {"x:none": "true"}}),
    st.just({"Null": {"kms:EncryptionContext:c": "false"}}),
    st.sampled_from(["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals"]).map(
        lambda name: {name: {"x:number": ["10", "9.5"]}}
    ),
    st.just({"Bool": {"x:flag": ["true"]}}),
)
principals = st.one_of(
    st.just("*"),
    st.lists(
        st.sampled_from([ANA, ROLE, SESSION, ROOT, ACCOUNT, OTHER_ACCOUNT, ABROAD, "*"]), min_size=1, max_size=2
    ).map(lambda names: {"AWS": names}),
    st.just({"Service": SERVICE}),
)
resources = st.sampled_from(
    ["*", KEY.arn, f"{KEY.arn}0", f"arn:aws:kms:*:{ACCOUNT}:key/*", "arn:aws:kms:*:${kms:CallerAccount}:*"]
)


@st.composite
def statements(draw: st.DrawFn, *, identity: bool) -> dict[str, Any]:
    inverted = st.sampled_from(["", "", "", "Not"])
    made: dict[str, Any] = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        f"{draw(inverted)}Action": draw(
            st.sampled_from(["kms:*", "kms:Decrypt", ["kms:*crypt", "s3:Get*"], "*", "kms:De?rypt"])
        ),
        f"{draw(inverted)}Resource": draw(resources),
    }
    if not identity:
        made[f"{draw(inverted)}Principal"] = draw(principals)
    if draw(st.booleans()):
        made["Condition"] = draw(conditions)
    return made


def documents(*, identity: bool) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda version, made: {**version, "Statement": made},
        st.sampled_from([{"Version": "2012-10-17"}, {}]),
        st.lists(statements(identity=identity), min_size=1, max_size=3),
    )


context = st.none() | st.dictionaries(st.sampled_from(["c", "d"]), texts, min_size=1, max_size=2)
grants = st.fixed_dictionaries(
    {
        "grantee": st.sampled_from([ANA, ROLE, ROOT, ABROAD, f"arn:aws:iam::{OTHER_ACCOUNT}:root", SERVICE]),
        "operations": st.sampled_from([("Decrypt",), ("Encrypt", "DescribeKey")]),
        "subset": context,
        "equals": context,
    }
).filter(lambda one: one["subset"] is None or one["equals"] is None)


@settings(max_examples=1_000, deadline=None)
@given(
    callers,
    actions,
    context,
    st.dictionaries(st.just("t"), texts),
    documents(identity=False),
    st.lists(documents(identity=True), max_size=2),
    st.lists(grants, max_size=2),
)
def test_a_decision_is_what_a_second_reading_of_the_language_says(  # noqa: PLR0917  # what hypothesis draws
    who: str,
    action: str,
    pairs: dict[str, str] | None,
    tags: dict[str, str],
    policy: dict[str, Any],
    identity: list[dict[str, Any]],
    held: list[dict[str, Any]],
) -> None:
    is_service = who == SERVICE
    account = OTHER_ACCOUNT if who == ABROAD else ACCOUNT
    extra = {"x:many": ("a", "b"), "x:number": ("10",), "x:flag": ("true",)}
    request = AccessRequest(
        caller=Caller(principal=who, account=account, tags=tags),
        action=action,
        now=NOON,
        key=KEY,
        context=pairs,
        attributes=extra,
    )
    facts = {
        **extra,
        **{f"kms:encryptioncontext:{name}": (value,) for name, value in (pairs or {}).items()},
        **{f"aws:principaltag/{name}": (value,) for name, value in tags.items()},
        "kms:encryptioncontextkeys": tuple(pairs or ()),
        "kms:calleraccount": (account,),
        "aws:username": (who.rsplit("/", 1)[-1],) if ":user/" in who else (),
    }
    question = {
        **{"principal": who, "account": account, "action": action, "resource": KEY.arn},
        **{"key_account": ACCOUNT, "facts": facts, "is_service": is_service},
    }
    own = [] if is_service else identity
    parsed, parsed_own = parse_policy(policy), [parse_policy(one, identity=True) for one in own]
    given_grants = [
        Grant(
            f"{place:064x}",
            GrantTerms(
                grantee_principal=one["grantee"],
                operations=one["operations"],
                context_subset=one["subset"],
                context_equals=one["equals"],
            ),
        )
        for place, one in enumerate(held)
    ]
    decision = decide(request, parsed, parsed_own, given_grants)
    assert (decision.allowed, decision.effect is Effect.EXPLICIT_DENY) == verdict(question, policy, own, held)

    trace = explain(request, parsed, parsed_own, given_grants)
    outcomes = [one["outcome"] for one in trace["keyPolicy"]]
    outcomes += [one["outcome"] for held_policy in trace["identityPolicies"] for one in held_policy["statements"]]
    assert ("denies" in outcomes) is (decision.effect is Effect.EXPLICIT_DENY)
    if decision.allowed and not who.endswith(":root"):
        told = {*outcomes, *(one["outcome"] for one in trace["grants"])}
        assert "allows" in told, "something is told that allows what is allowed"
