"""The order of a decision: Deny, key policy, account, grants; and who is meant by a principal (KM2, KM3, KM7)."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.access.decision import Effect, Source, decide_identity, decide_owned
from reconciler.access.grants import Grant, grantee_spellings, may_retire, passes_on
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import default_key_policy
from reconciler.access.request import GrantTerms
from tests.access.asking import ACCOUNT, EVERYTHING, KEY, OTHER_ACCOUNT, REGION, allow, caller, decided, request

CASSANDRA = f"cassandra.{REGION}.amazonaws.com"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ANA = f"arn:aws:iam::{ACCOUNT}:user/ana"
DEFAULT = default_key_policy(ACCOUNT)

PRINCIPALS: dict[str, tuple[Any, Caller, bool]] = {
    "the ARN itself": ({"AWS": ANA}, caller(), True),
    "one ARN of several": ({"AWS": ["arn:aws:iam::111122223333:user/bob", ANA]}, caller(), True),
    "another ARN": ({"AWS": f"{ANA}2"}, caller(), False),
    "a pattern of ARNs": ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/a*"}, caller(), True),
    "a pattern that does not fit": ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}, caller(), False),
    "anybody": ({"AWS": "*"}, caller(), True),
    "anybody, written short": ("*", caller(), True),
    "a role, in a session of it": ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/r"}, caller("sts:r/s"), True),
    "a session, and not its role": ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"}, caller("role/r"), False),
    "a role with a path, in a session of it": ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/s/r"}, caller("sts:r/s"), True),
    "a role with a path is not the one without": ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/s/r"}, caller("role/r"), False),
    "another session": ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"}, caller("sts:r/t"), False),
    "the account, for its root": ({"AWS": ROOT}, caller("root"), True),
    "the account's number, for its root": ({"AWS": ACCOUNT}, caller("root"), True),
    "the account, for a user without identity policy": ({"AWS": ROOT}, caller(), False),
    "another account": ({"AWS": OTHER_ACCOUNT}, caller("root"), False),
    "a service": ({"Service": "cassandra.amazonaws.com"}, caller(CASSANDRA), True),
    "a service with its Region": ({"Service": CASSANDRA}, caller(CASSANDRA), True),
    "a service in another Region": ({"Service": "cassandra.us-east-1.amazonaws.com"}, caller(CASSANDRA), False),
    "another service": ({"Service": "redshift.amazonaws.com"}, caller(CASSANDRA), False),
    "a service is not its account": ({"AWS": ROOT}, caller(CASSANDRA), False),
    "a user through the service is not the service": (
        {"Service": "cassandra.amazonaws.com"},
        caller(via=CASSANDRA),
        False,
    ),
}


@pytest.mark.parametrize("rule", PRINCIPALS)
def test_a_principal_means(rule: str) -> None:
    principal, who, meant = PRINCIPALS[rule]
    assert decided(allow(Principal=principal), who, "Decrypt").allowed is meant


def test_the_account_delegates_to_identity_policies() -> None:
    assert not decided(DEFAULT, caller(), "Decrypt").allowed
    decision = decided(DEFAULT, caller(), "Decrypt", identity=[EVERYTHING])
    assert (decision.allowed, decision.source, decision.statement) == (True, Source.IDENTITY_POLICY, "all")


def test_an_identity_policy_alone_opens_no_key() -> None:
    policy = allow(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"})
    assert not decided(policy, caller(), "Decrypt", identity=[EVERYTHING]).allowed


@pytest.mark.parametrize("where", ["key policy", "identity policy"])
def test_an_explicit_deny_beats_every_allow(where: str) -> None:
    no = {"Sid": "never", "Effect": "Deny", "Action": "kms:Dec*", "Resource": "*"}
    policy, identity = allow(), [EVERYTHING]
    if where == "key policy":
        policy["Statement"].append({**no, "Principal": {"AWS": ACCOUNT}})
    else:
        identity.append(parse_policy({"Statement": [no]}, identity=True))
    grants = [Grant("f" * 64, GrantTerms(grantee_principal=ANA, operations=("Decrypt", "Encrypt")))]
    decision = decided(policy, caller(), "Decrypt", identity=identity, grants=grants)
    assert (decision.effect, decision.statement) == (Effect.EXPLICIT_DENY, "never")
    assert decision.reason == f'statement "never" of the {where} denies kms:Decrypt'
    assert decided(policy, caller(), "Encrypt", identity=identity, grants=grants).allowed


@pytest.mark.parametrize(
    ("parts", "action", "allowed"),
    [
        ({"NotAction": ["kms:Decrypt"]}, "Encrypt", True),
        ({"NotAction": ["kms:Decrypt"]}, "Decrypt", False),
        ({"Action": "KMS:decrypt"}, "Decrypt", True),
        ({"Action": "kms:Generate*"}, "GenerateDataKey", True),
        ({"Action": "kms:Generate*"}, "Decrypt", False),
        ({"Action": "*"}, "Decrypt", True),
        ({"Action": "s3:*"}, "Decrypt", False),
        ({"Resource": KEY.arn}, "Decrypt", True),
        ({"Resource": f"arn:aws:kms:*:{ACCOUNT}:key/*"}, "Decrypt", True),
        ({"Resource": f"{KEY.arn}0"}, "Decrypt", False),
        ({"NotResource": KEY.arn}, "Decrypt", False),
        ({"NotResource": f"{KEY.arn}0"}, "Decrypt", True),
        ({"NotPrincipal": {"AWS": ANA}}, "Decrypt", False),
        ({"NotPrincipal": {"AWS": f"{ANA}2"}}, "Decrypt", True),
    ],
)
def test_action_resource_and_their_opposites(parts: dict[str, Any], action: str, allowed: bool) -> None:
    policy = allow()
    (statement,) = policy["Statement"]
    for name in parts:
        statement.pop(name.removeprefix("Not"))
    policy["Statement"] = {**statement, **parts}  # a single statement needs no list
    assert decided(policy, caller(), action).allowed is allowed


@pytest.mark.parametrize(("who", "allowed"), [("user/ana", True), ("root", True), ("user/eve", False)])
def test_a_deny_on_all_but_a_user_and_its_account_spares_nobody_else_of_the_account(who: str, allowed: bool) -> None:
    """The public service's own example of NotPrincipal names both."""
    policy = allow(Principal="*")
    but = {"Sid": "but", "Effect": "Deny", "NotPrincipal": {"AWS": [ANA, ROOT]}, "Action": "kms:*", "Resource": "*"}
    policy["Statement"].append(but)
    assert decided(policy, caller(who), "Decrypt").allowed is allowed


@pytest.mark.parametrize(
    ("policy", "identity", "granted", "allowed"),
    [
        ("names the caller", True, False, True),
        ("names the caller", False, False, False),
        ("names its account", True, False, True),
        ("names nobody", True, False, False),
        ("names nobody", True, True, True),
        ("names nobody", False, True, False),
    ],
)
def test_a_caller_of_another_account_needs_both_sides(
    policy: str, identity: bool, granted: bool, allowed: bool
) -> None:
    """KM7."""
    who = caller(account=OTHER_ACCOUNT)
    principal = {"names the caller": who.principal, "names its account": OTHER_ACCOUNT, "names nobody": ROOT}[policy]
    grants = [Grant("f" * 64, GrantTerms(grantee_principal=who.principal, operations=("Decrypt",)))] if granted else []
    decision = decided(
        allow(Principal={"AWS": principal}), who, "Decrypt", identity=[EVERYTHING] if identity else [], grants=grants
    )
    assert decision.allowed is allowed, decision.reason


SUBSET = {"context_subset": {"a": "1"}}
EQUALS = {"context_equals": {"a": "1"}}
GRANTS: dict[str, tuple[dict[str, Any], str, dict[str, Any], bool]] = {
    "an operation it holds": ({}, "Decrypt", {}, True),
    "an operation it does not hold": ({}, "Encrypt", {}, False),
    "ReEncryptFrom is not Decrypt": ({}, "ReEncryptFrom", {}, False),
    "subset: the pair and more": (SUBSET, "Decrypt", {"context": {"a": "1", "b": "2"}}, True),
    "subset: not the pair": (SUBSET, "Decrypt", {"context": {"a": "2"}}, False),
    "subset: the pair in other letters": (SUBSET, "Decrypt", {"context": {"A": "1"}}, False),
    "subset: no context at all": (SUBSET, "Decrypt", {}, False),
    "equals: the pair": (EQUALS, "Decrypt", {"context": {"a": "1"}}, True),
    "equals: the pair and more": (EQUALS, "Decrypt", {"context": {"a": "1", "b": "2"}}, False),
    "a constraint does not count for DescribeKey": (SUBSET, "DescribeKey", {}, True),
    "it creates a grant of its own operations": (
        {},
        "CreateGrant",
        {"grant": GrantTerms(grantee_principal=ANA, operations=("Decrypt",))},
        True,
    ),
    "it creates no grant of more": (
        {},
        "CreateGrant",
        {"grant": GrantTerms(grantee_principal=ANA, operations=("Decrypt", "Encrypt"))},
        False,
    ),
    "it creates no grant without its constraint": (
        SUBSET,
        "CreateGrant",
        {"grant": GrantTerms(grantee_principal=ANA, operations=("Decrypt",))},
        False,
    ),
}


@pytest.mark.parametrize("rule", GRANTS)
def test_a_grant_allows(rule: str) -> None:
    constraint, action, facts, allowed = GRANTS[rule]
    terms = GrantTerms(grantee_principal=ANA, operations=("Decrypt", "DescribeKey", "CreateGrant"), **constraint)
    grant = Grant("f" * 64, terms)
    decision = decided(DEFAULT, caller(), action, grants=[grant], **facts)
    assert decision.allowed is allowed, decision.reason
    assert decision.grant_id == ("f" * 64 if allowed else None)
    assert not decided(DEFAULT, caller("user/bob"), action, grants=[grant], **facts).allowed


@pytest.mark.parametrize(
    ("grantee", "who", "meant"),
    [
        (CASSANDRA, caller(CASSANDRA), True),
        ("cassandra.amazonaws.com", caller(CASSANDRA), True),
        (CASSANDRA, caller("cassandra.amazonaws.com"), True),
        ("cassandra.us-east-1.amazonaws.com", caller(CASSANDRA), False),
        (f"arn:aws:iam::{ACCOUNT}:role/r", caller("sts:r/s"), True),
        (CASSANDRA, caller(via=CASSANDRA), False),
    ],
)
def test_a_grantee_means(grantee: str, who: Caller, meant: bool) -> None:
    grant = Grant("f" * 64, GrantTerms(grantee_principal=grantee, operations=("Decrypt",)))
    assert decided(DEFAULT, who, "Decrypt", grants=[grant]).allowed is meant


@pytest.mark.parametrize(
    ("parent", "child", "fits"),
    [
        ({}, {}, True),
        ({}, SUBSET, True),
        (SUBSET, EQUALS, True),
        (SUBSET, {"context_subset": {"a": "1", "b": "2"}}, True),
        (SUBSET, {"context_subset": {"b": "2"}}, False),
        (EQUALS, EQUALS, True),
        (EQUALS, SUBSET, False),
        (EQUALS, {"context_equals": {"a": "1", "b": "2"}}, False),
        (SUBSET, {}, False),
    ],
)
def test_a_grant_is_passed_on_under_equal_or_stricter_terms(
    parent: dict[str, Any], child: dict[str, Any], fits: bool
) -> None:
    held = GrantTerms(grantee_principal=ANA, operations=("Decrypt",), **parent)
    assert passes_on(held, GrantTerms(grantee_principal=CASSANDRA, operations=("Decrypt",), **child)) is fits


def test_who_may_retire_a_grant() -> None:
    terms = GrantTerms(grantee_principal=CASSANDRA, retiring_principal=ANA, operations=("Decrypt",))
    assert may_retire(terms, caller(), ROOT)
    assert may_retire(terms, caller("root"), ROOT)
    assert not may_retire(terms, caller(CASSANDRA), ROOT)
    assert not may_retire(terms, caller("user/bob"), ROOT)
    holds = GrantTerms(grantee_principal=CASSANDRA, operations=("RetireGrant",))
    assert may_retire(holds, caller(CASSANDRA), ROOT)


@pytest.mark.parametrize("account", [ACCOUNT, OTHER_ACCOUNT])
@pytest.mark.parametrize(("identity", "allowed"), [((), False), ((EVERYTHING,), True)])
def test_a_grant_to_an_account_counts_together_with_an_identity_policy(
    account: str, identity: Any, allowed: bool
) -> None:
    who, nobodys = caller(account=account), allow(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"})
    terms = GrantTerms(grantee_principal=f"arn:aws:iam::{account}:root", operations=("Decrypt",))
    grants = [Grant("f" * 64, terms)]
    assert decided(nobodys, who, "Decrypt", identity=identity, grants=grants).allowed is allowed
    assert terms.grantee_principal in grantee_spellings(who.principal, who.account, REGION)
    assert not decided(nobodys, caller(CASSANDRA, account), "Decrypt", identity=identity, grants=grants).allowed


def test_grants_are_not_drawn_when_a_policy_decides() -> None:
    def never() -> Any:
        raise AssertionError("drawn")
        yield

    assert decided(allow(), caller(), "Decrypt", grants=never()).allowed


def test_requests_on_the_account_are_decided_by_identity_alone() -> None:
    ask = request(caller(), "CreateKey", key=None)
    assert decide_identity(ask, [EVERYTHING]).allowed
    assert not decide_identity(ask, []).allowed
    assert decide_identity(request(caller("root"), "CreateKey", key=None), []).allowed


@pytest.mark.parametrize(
    ("who", "action", "allowed"),
    [
        (caller("redshift.amazonaws.com"), "Decrypt", True),
        (caller(f"redshift.{REGION}.amazonaws.com"), "GenerateDataKey", True),
        (caller(via="redshift.amazonaws.com"), "Decrypt", True),
        (caller(), "Decrypt", False),
        (caller("root"), "Decrypt", False),
        (caller(via=CASSANDRA), "Decrypt", False),
        (caller("redshift.amazonaws.com"), "ScheduleKeyDeletion", False),
        (caller("redshift.amazonaws.com"), "PutKeyPolicy", False),
    ],
)
def test_an_owned_key_is_its_services_alone(who: Caller, action: str, allowed: bool) -> None:
    """KM8."""
    assert decide_owned(request(who, action), "redshift.amazonaws.com").allowed is allowed
