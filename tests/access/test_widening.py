"""Who may do more under another policy (CONTRACT 6): by what both decide, not by how they are written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from reconciler.access.request import KeyFacts
from reconciler.access.widening import wider

ACCOUNT = "111122223333"
KEY = KeyFacts(arn=f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k", account=ACCOUNT, region="eu-west-1")
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
APP = f"arn:aws:iam::{ACCOUNT}:role/app"
Policy = tuple[dict[str, Any], ...]


def allow(principal: Any, action: Any, *, effect: str = "Allow", **condition: Any) -> dict[str, Any]:
    """A statement; a principal that is a text is an AWS one."""
    written = principal if principal == "*" or isinstance(principal, dict) else {"AWS": principal}
    statement = {"Effect": effect, "Principal": written, "Action": action, "Resource": "*"}
    return {**statement, "Condition": condition} if condition else statement


VIA = {"kms:ViaService": "redshift.amazonaws.com"}
ROOT = allow(f"arn:aws:iam::{ACCOUNT}:root", "kms:*")
DECRYPT = allow(APP, "kms:Decrypt")
THROUGH = allow(APP, "kms:Decrypt", StringEquals=VIA)
NOT_DIRECTLY = allow("*", "kms:Decrypt", effect="Deny", StringNotEquals=VIA)
NARROWED = allow("*", "kms:Decrypt", StringEquals={**VIA, "kms:CallerAccount": ACCOUNT})
BUT_ONE = {"Effect": "Allow", "NotPrincipal": {"AWS": APP}, "Action": "kms:Decrypt", "Resource": "*"}


class Case(NamedTuple):
    before: Policy
    after: Policy
    says: str | None  # part of what is told, None: nobody may do more


CASES: dict[str, Case] = {
    "the same policy": Case((ROOT, DECRYPT), (DECRYPT, ROOT), None),
    "an action more": Case((DECRYPT,), (allow(APP, ["kms:Decrypt", "kms:Encrypt"]),), f"{APP} may kms:Encrypt"),
    "an action less": Case((allow(APP, "kms:*"),), (DECRYPT,), None),
    "a wildcard that means the same action": Case((DECRYPT,), (allow(APP, "kms:Decryp?"),), None),
    "a wildcard that means what is seldom asked": Case(
        (DECRYPT,), (DECRYPT, allow(APP, "kms:Derive*")), f"{APP} may kms:DeriveSharedSecret"
    ),
    "a wildcard that means more": Case((allow(APP, "kms:Encrypt"),), (allow(APP, "kms:*crypt"),), "kms:Decrypt"),
    "a condition less": Case((THROUGH,), (DECRYPT,), f"{APP} may kms:Decrypt"),
    "a condition more": Case((DECRYPT,), (THROUGH,), None),
    "a Deny that is gone": Case((DECRYPT, NOT_DIRECTLY), (DECRYPT,), f"{APP} may kms:Decrypt"),
    "a Deny that came": Case((DECRYPT,), (DECRYPT, NOT_DIRECTLY), None),
    "a Deny that is gone and denied nothing that is allowed": Case(
        (DECRYPT, allow(APP, "kms:Encrypt", effect="Deny")), (DECRYPT,), None
    ),
    "the whole world": Case((ROOT,), (ROOT, allow("*", "kms:Decrypt")), "999999999999"),
    "everybody of the account, through the service": Case((ROOT,), (ROOT, NARROWED), None),
    "everybody through the service, of whatever account": Case(
        (ROOT,), (ROOT, allow("*", "kms:Decrypt", StringEquals=VIA)), "999999999999"
    ),
    "another account": Case((ROOT,), (ROOT, allow("444455556666", "kms:Decrypt")), "444455556666"),
    "the account, where one role stood": Case((DECRYPT,), (ROOT,), f"arn:aws:iam::{ACCOUNT}"),
    "a role of an account that was named as a whole": Case((ROOT,), (ROOT, DECRYPT), None),
    "a service by itself": Case(
        (ROOT,), (ROOT, allow({"Service": "redshift.amazonaws.com"}, "kms:Decrypt")), "redshift.amazonaws.com may"
    ),
    "a value more in a condition": Case(
        (allow(APP, "kms:Decrypt", StringEquals={"kms:EncryptionContext:a": "1"}),),
        (allow(APP, "kms:Decrypt", StringEquals={"kms:EncryptionContext:a": ["1", "2"]}),),
        "kms:encryptioncontext:a 2",
    ),
    "a value less in a condition": Case(
        (allow(APP, "kms:Decrypt", StringEquals={"kms:EncryptionContext:a": ["1", "2"]}),),
        (allow(APP, "kms:Decrypt", StringEquals={"kms:EncryptionContext:a": "1"}),),
        None,
    ),
    "everybody but one": Case((ROOT,), (ROOT, BUT_ONE), "may kms:Decrypt"),
    "a principal by a pattern of its ARN": Case(
        (DECRYPT,),
        (DECRYPT, allow("*", "kms:Decrypt", ArnLike={"aws:PrincipalArn": "arn:aws:iam::444455556666:role/*"})),
        "444455556666",
    ),
    "for a time": Case(
        (ROOT,),
        (ROOT, allow("444455556666", "kms:Decrypt", DateLessThan={"aws:CurrentTime": "2030-01-01T00:00:00Z"})),
        "444455556666",
    ),
    "from somewhere": Case(
        (ROOT,),
        (ROOT, allow("444455556666", "kms:Decrypt", IpAddress={"aws:SourceIp": "203.0.113.0/24"})),
        "444455556666",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_a_policy_is_wider_when_somebody_may_do_what_they_could_not(what: str) -> None:
    case = CASES[what]
    found = wider({"Statement": list(case.before)}, {"Statement": list(case.after)}, KEY, NOW)

    if case.says is None:
        assert found is None, found
    else:
        assert found is not None
        assert case.says in str(found)
