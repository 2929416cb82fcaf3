"""A simulated key decides as the key service does, also for grants whose grantee a session has another way to write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.access.grants import Grant
from reconciler.access.parsing import parse_policy
from reconciler.access.request import GrantTerms, KeyFacts
from reconciler.access.simulation import GrantsOfKey, Request, SimulatedKey, caller_of

ACCOUNT = "111122223333"
NOW = datetime(2026, 1, 5, tzinfo=UTC)
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role"
CONTEXT = {"a": "1"}
SOMEBODY_ELSE = {"Effect": "Allow", "Principal": {"AWS": f"{ROLE}/else"}, "Action": "kms:Encrypt", "Resource": "*"}
NOBODY = parse_policy({"Version": "2012-10-17", "Statement": [SOMEBODY_ELSE]})


def key(grantee: str, *, subset: dict[str, str] | None = None) -> SimulatedKey:
    terms = GrantTerms(grantee_principal=grantee, operations=("Encrypt",), context_subset=subset)
    facts = KeyFacts(
        arn=f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k",
        account=ACCOUNT,
        region="eu-west-1",
        key_spec="SYMMETRIC_DEFAULT",
        key_usage="ENCRYPT_DECRYPT",
        origin="AWS_KMS",
    )
    return SimulatedKey(
        facts=facts, policy=NOBODY, identities=lambda _: (), load_grants=lambda: GrantsOfKey([Grant("g", terms)])
    )


def allows(simulated: SimulatedKey, principal: str) -> bool:
    asked = Request(caller=caller_of(principal, ACCOUNT), operation="Encrypt", context=CONTEXT)
    return simulated.decide(asked, NOW).allowed


@pytest.mark.parametrize("subset", [None, CONTEXT])
@pytest.mark.parametrize(
    ("grantee", "principal", "is_allowed"),
    [
        (f"{ROLE}/app", f"{ROLE}/app", True),
        (f"{ROLE}/app", f"{SESSION}/app/one", True),
        (f"{ROLE}/team/app", f"{ROLE}/team/app", True),
        (f"{ROLE}/team/app", f"{SESSION}/app/one", True),
        (f"{ROLE}/team/orders/app", f"{SESSION}/app/one", True),
        (f"{SESSION}/app/one", f"{SESSION}/app/one", True),
        (f"{SESSION}/app/one", f"{SESSION}/app/two", False),
        (f"{ROLE}/team/app", f"{SESSION}/team/app", False),
        (f"{ROLE}/team/application", f"{SESSION}/app/one", False),
        (f"{ROLE}/team/app", f"{ROLE}/app", False),
        (f"arn:aws:iam::{ACCOUNT}:user/team/app", f"{SESSION}/app/one", False),
        ("arn:aws:iam::444455556666:role/team/app", f"{SESSION}/app/one", False),
    ],
)
def test_a_grant_is_whoevers_its_grantee_means(
    grantee: str, principal: str, is_allowed: bool, subset: dict[str, str] | None
) -> None:
    assert allows(key(grantee, subset=subset), principal) is is_allowed


def test_a_grant_that_is_taken_away_or_constrained_otherwise_allows_no_session() -> None:
    simulated = key(f"{ROLE}/team/app", subset={"a": "2"})
    assert not allows(simulated, f"{SESSION}/app/one")
    simulated = key(f"{ROLE}/team/app")
    before = simulated.copy()
    assert simulated.grants.remove("g") is not None
    assert not allows(simulated, f"{SESSION}/app/one")
    assert allows(before, f"{SESSION}/app/one")
