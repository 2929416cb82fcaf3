"""The references' two sample policies allow and deny as described (KM6, DA4, KS4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from reconciler.access.caller import Caller
from reconciler.access.decision import Effect
from reconciler.access.parsing import parse_policy
from tests.access.asking import ACCOUNT, OTHER_ACCOUNT, REGION, caller, decided, sample_document

STATEMENTS = "policy-statement-api.json"
TABLES = "policy-tables.json"
REDSHIFT = "redshift.amazonaws.com"
REDSHIFT_HERE = f"redshift.{REGION}.amazonaws.com"
CASSANDRA = f"cassandra.{REGION}.amazonaws.com"
LEAD = "user/db-lead"


class Case(NamedTuple):
    policy: str
    who: Caller
    action: str
    allowed: bool


CASES = {
    # Statements: anybody of the account, through the service, may let it create a grant, and no more (DA4).
    "anybody may create a grant through the statement API": Case(STATEMENTS, caller(via=REDSHIFT), "CreateGrant", True),
    "anybody may see the key through the statement API": Case(STATEMENTS, caller(via=REDSHIFT), "DescribeKey", True),
    "the service may be named with its Region": Case(STATEMENTS, caller(via=REDSHIFT_HERE), "CreateGrant", True),
    "but not with another Region": Case(
        STATEMENTS, caller(via="redshift.us-east-1.amazonaws.com"), "CreateGrant", False
    ),
    "nobody may create a grant directly": Case(STATEMENTS, caller(), "CreateGrant", False),
    "nor through another service": Case(STATEMENTS, caller(via=CASSANDRA), "CreateGrant", False),
    "nor from another account": Case(STATEMENTS, caller(account=OTHER_ACCOUNT, via=REDSHIFT), "CreateGrant", False),
    "the statement API's caller cannot use the key": Case(STATEMENTS, caller(via=REDSHIFT), "Decrypt", False),
    "the statement API's caller cannot encrypt either": Case(STATEMENTS, caller(via=REDSHIFT), "Encrypt", False),
    "the administrator may do everything": Case(STATEMENTS, caller("role/ExampleAdminRole"), "PutKeyPolicy", True),
    "also in a session of the role": Case(STATEMENTS, caller("sts:ExampleAdminRole/ana"), "PutKeyPolicy", True),
    "the user role decrypts directly": Case(STATEMENTS, caller("role/ExampleUserRole"), "Decrypt", True),
    "a wildcard covers GenerateDataKeyWithoutPlaintext": Case(
        STATEMENTS, caller("role/ExampleUserRole"), "GenerateDataKeyWithoutPlaintext", True
    ),
    "a wildcard covers ReEncryptFrom": Case(STATEMENTS, caller("role/ExampleUserRole"), "ReEncryptFrom", True),
    "the user role does not administer": Case(STATEMENTS, caller("role/ExampleUserRole"), "PutKeyPolicy", False),
    "a role whose name only begins alike is another": Case(
        STATEMENTS, caller("role/ExampleUserRole2"), "Decrypt", False
    ),
    "the account's root is not named, so it may nothing": Case(STATEMENTS, caller("root"), "PutKeyPolicy", False),
    # Tables: the named user through the table service only (KM6, KS4).
    "the user decrypts through the table service": Case(TABLES, caller(LEAD, via=CASSANDRA), "Decrypt", True),
    "in whatever Region the service works": Case(
        TABLES, caller(LEAD, via="cassandra.us-east-1.amazonaws.com"), "GenerateDataKey", True
    ),
    "the user creates the table's grant through it": Case(TABLES, caller(LEAD, via=CASSANDRA), "CreateGrant", True),
    "the same user calling directly is denied": Case(TABLES, caller(LEAD), "Decrypt", False),
    "the same user through another service is denied": Case(TABLES, caller(LEAD, via=REDSHIFT), "Decrypt", False),
    "another user is denied even through the service": Case(TABLES, caller(via=CASSANDRA), "Decrypt", False),
    "a reviewer sees the key": Case(TABLES, caller("role/db-team"), "DescribeKey", True),
    "a reviewer reads the policy": Case(TABLES, caller("role/db-team"), "GetKeyPolicy", True),
    "a reviewer revokes a grant": Case(TABLES, caller("role/db-team"), "RevokeGrant", True),
    "a reviewer never uses the key": Case(TABLES, caller("role/db-team"), "Decrypt", False),
    "a reviewer makes no grant": Case(TABLES, caller("role/db-team"), "CreateGrant", False),
    "the service itself reads the key, on nobody's behalf": Case(TABLES, caller(CASSANDRA), "DescribeKey", True),
    "the service itself lists its grants": Case(TABLES, caller(CASSANDRA), "ListGrants", True),
    "the service itself decrypts nothing without a grant": Case(TABLES, caller(CASSANDRA), "Decrypt", False),
    "another service reads nothing": Case(TABLES, caller(REDSHIFT), "DescribeKey", False),
    "a user who goes through the service is not the service": Case(TABLES, caller(via=CASSANDRA), "DescribeKey", False),
}


@pytest.mark.parametrize("rule", CASES)
def test_the_sample_policies_decide(rule: str) -> None:
    case = CASES[rule]
    decision = decided(parse_policy(sample_document(case.policy)), case.who, case.action)
    assert decision.allowed is case.allowed, decision.reason


def test_a_decision_names_the_statement_that_made_it() -> None:
    policy = parse_policy(sample_document(TABLES))
    assert decided(policy, caller(LEAD, via=CASSANDRA), "Decrypt").statement == (
        "Use through the table service, for the named user only"
    )


def test_a_denial_names_the_closest_miss() -> None:
    decision = decided(parse_policy(sample_document(TABLES)), caller(LEAD), "Decrypt")
    assert decision.effect is Effect.IMPLICIT_DENY
    assert decision.reason == (
        'statement "Use through the table service, for the named user only" would allow kms:Decrypt,'
        " but its condition StringLike kms:ViaService is not met"
    )


@pytest.mark.parametrize("name", [STATEMENTS, TABLES])
def test_changing_one_word_of_a_sample_changes_what_it_allows(name: str) -> None:
    """The table above can fail: with the first statement's condition removed, a direct call goes through."""
    document: dict[str, Any] = sample_document(name)
    del document["Statement"][0]["Condition"]
    assert ACCOUNT in str(document)
    assert decided(parse_policy(document), caller(LEAD), "CreateGrant").allowed
