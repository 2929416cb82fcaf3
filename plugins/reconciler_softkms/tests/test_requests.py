"""Through the door: who may, who may not, and what is recorded (KM2, KM3, KM6, KM9, AU1–AU3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException, InvalidGrantTokenException, NotFoundException, ServiceError
from reconciler.providers.keys import GrantRequest, KeyDescription, KeyRequest
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.conftest import ACCOUNT, ADMINISTRATOR, Opened

LEAD = Caller(principal=f"arn:aws:iam::{ACCOUNT}:user/db-lead", account=ACCOUNT)
REVIEWER = Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/db-team", account=ACCOUNT)
SERVICE = "cassandra.eu-west-1.amazonaws.com"
CASSANDRA = Caller(principal=SERVICE, account=ACCOUNT)
CONTEXT = {
    "aws:cassandra:keyspaceName": "shop",
    "aws:cassandra:tableName": "orders",
    "aws:cassandra:subscriberId": ACCOUNT,
}
TABLE_GRANT = ("DescribeKey", "GenerateDataKey", "Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "RetireGrant")
POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "administers",
            "Effect": "Allow",
            "Principal": {"AWS": ADMINISTRATOR},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "through the table service",
            "Effect": "Allow",
            "Principal": {"AWS": LEAD.principal},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"],
            "Resource": "*",
            "Condition": {"StringLike": {"kms:ViaService": "cassandra.*.amazonaws.com"}},
        },
        {
            "Sid": "reviews",
            "Effect": "Allow",
            "Principal": {"AWS": REVIEWER.principal},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
            "Resource": "*",
        },
    ],
}


@pytest.fixture
def key(provider: SoftKms, caller: Caller) -> KeyDescription:
    return provider.create_key(caller, KeyRequest(policy=POLICY), token="key")


def table_grant(provider: SoftKms, key: KeyDescription) -> str:
    request = GrantRequest(
        key_id=key.key_id,
        grantee_principal=SERVICE,
        retiring_principal=SERVICE,
        operations=TABLE_GRANT,
        context_subset=CONTEXT,
    )
    return provider.create_grant(LEAD.via(SERVICE), request).grant_id


def events(provider: SoftKms) -> list[dict[str, Any]]:
    return [event for _, event in provider.audit_events()]


def test_through_the_service_yes_and_directly_no(provider: SoftKms, key: KeyDescription) -> None:
    made = provider.generate_data_key(LEAD.via(SERVICE), key.arn, CONTEXT)
    with pytest.raises(AccessDeniedException, match=r"its condition StringLike kms:ViaService is not met"):
        provider.decrypt(LEAD, made.wrapped, CONTEXT)


def test_a_tables_life_in_its_records(provider: SoftKms, key: KeyDescription) -> None:
    """AU2, AU3: the user describes and grants, the service generates, decrypts and retires."""
    start = len(events(provider))
    user = LEAD.via(SERVICE)
    provider.describe_keys(user, [key.arn])
    grant_id = table_grant(provider, key)
    wrapped = provider.generate_data_key(CASSANDRA, key.arn, CONTEXT).wrapped
    provider.decrypt(CASSANDRA, wrapped, CONTEXT)
    provider.retire_grant(CASSANDRA, key.arn, grant_id)
    life = events(provider)[start:]
    assert [(event["eventName"], event["userIdentity"]["type"]) for event in life] == [
        ("DescribeKey", "IAMUser"),
        ("CreateGrant", "IAMUser"),
        ("GenerateDataKey", "AWSService"),
        ("Decrypt", "AWSService"),
        ("RetireGrant", "AWSService"),
    ]
    assert all(event["resources"][0]["ARN"] == key.arn for event in life)
    assert life[1]["responseElements"] == {"grantId": grant_id}
    assert life[1]["requestParameters"]["constraints"] == {"encryptionContextSubset": CONTEXT}
    assert life[2]["requestParameters"] == {"keySpec": "AES_256", "encryptionContext": CONTEXT, "keyId": key.arn}
    assert life[3]["requestParameters"] == {"encryptionContext": CONTEXT, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    with pytest.raises(AccessDeniedException):
        provider.decrypt(CASSANDRA, wrapped, CONTEXT)


def test_access_that_rested_on_a_grant_ends_with_it(provider: SoftKms, key: KeyDescription) -> None:
    """KM3; a reviewer may revoke and never use."""
    grant_id = table_grant(provider, key)
    wrapped = provider.generate_data_key(CASSANDRA, key.arn, CONTEXT).wrapped
    with pytest.raises(AccessDeniedException):
        provider.decrypt(REVIEWER, wrapped, CONTEXT)
    with pytest.raises(AccessDeniedException, match="but not under the terms of this request"):
        provider.generate_data_key(CASSANDRA, key.arn, CONTEXT | {"aws:cassandra:tableName": "others"})
    provider.revoke_grant(REVIEWER, key.arn, grant_id)
    with pytest.raises(AccessDeniedException):
        provider.decrypt(CASSANDRA, wrapped, CONTEXT)
    assert provider.decrypt(LEAD.via(SERVICE), wrapped, CONTEXT).key_arn == key.arn, "the policy still counts"


def test_a_grant_is_retired_by_whom_it_names_only(provider: SoftKms, key: KeyDescription, caller: Caller) -> None:
    grant_id = table_grant(provider, key)
    for who in (LEAD, REVIEWER):
        with pytest.raises(AccessDeniedException):
            provider.retire_grant(who, key.arn, grant_id)
    provider.retire_grant(CASSANDRA, key.arn, grant_id)
    assert provider.list_grants(REVIEWER, key.arn) == []
    of_the_account = table_grant(provider, key)
    provider.retire_grant(caller, key.arn, of_the_account)  # the issuing account's administrator
    assert provider.list_grants(REVIEWER, key.arn) == []


def test_a_refusal_is_recorded_with_its_reason(provider: SoftKms, key: KeyDescription) -> None:
    with pytest.raises(AccessDeniedException) as refused:
        provider.encrypt(LEAD, key.arn, b"text", CONTEXT)
    last = events(provider)[-1]
    assert (last["eventName"], last["errorCode"]) == ("Encrypt", "AccessDenied")
    assert last["errorMessage"] == refused.value.summary
    assert last["userIdentity"]["arn"] == LEAD.principal
    assert last["resources"][0]["ARN"] == key.arn
    with pytest.raises(NotFoundException):
        provider.encrypt(LEAD, "alias/none", b"text", {})
    assert events(provider)[-1]["errorCode"] == "NotFoundException"


def test_describing_is_refused_for_the_first_key_that_may_not_be(
    provider: SoftKms, key: KeyDescription, caller: Caller
) -> None:
    other = provider.create_key(caller, KeyRequest(), token="other")
    with pytest.raises(AccessDeniedException, match=other.key_id):
        provider.describe_keys(REVIEWER, [key.arn, other.arn])
    codes = [(event["resources"][0]["ARN"], event.get("errorCode")) for event in events(provider)[-2:]]
    assert codes == [(key.arn, None), (other.arn, "AccessDenied")]


def test_only_the_accounts_administrators_create_and_list(opened: Opened, caller: Caller) -> None:
    kms = opened(administrators=[REVIEWER.principal])
    for who in (caller, LEAD, CASSANDRA):
        for call in (
            lambda who: kms.create_key(who, KeyRequest(), token="no"),
            kms.list_keys,
            kms.list_aliases,
        ):
            with pytest.raises(AccessDeniedException):
                call(who)
    session = Caller(principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/db-team/ana", account=ACCOUNT)
    made = kms.create_key(session, KeyRequest(), token="yes")
    root = Caller(principal=f"arn:aws:iam::{ACCOUNT}:root", account=ACCOUNT)
    assert kms.list_keys(root) == [made]
    kms.disable_key(root, made.arn)


def test_an_administrator_has_nothing_where_the_policy_does_not_delegate(provider: SoftKms, caller: Caller) -> None:
    only_lead = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": LEAD.principal}, "Action": "kms:*", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": ADMINISTRATOR}, "Action": "kms:PutKeyPolicy", "Resource": "*"},
        ]
    }
    key = provider.create_key(caller, KeyRequest(policy=only_lead), token="lead's")
    with pytest.raises(AccessDeniedException):
        provider.encrypt(caller, key.arn, b"x", {})
    provider.encrypt(LEAD, key.arn, b"x", {})


def test_a_principal_of_another_account_needs_permission_on_both_sides(opened: Opened, caller: Caller) -> None:
    """KM7; and it is of the account that its ARN names, whatever the call claims."""
    abroad = "arn:aws:iam::444455556666:role/reader"
    theirs = {"Effect": "Allow", "Principal": {"AWS": abroad}, "Action": "kms:Encrypt", "Resource": "*"}
    one_side, both_sides = opened(), opened(administrators=[ADMINISTRATOR, abroad])
    shared = {"Statement": [*POLICY["Statement"], theirs]}
    key = one_side.create_key(caller, KeyRequest(policy=shared), token="shared")
    for claimed in ("444455556666", ACCOUNT):
        who = Caller(principal=abroad, account=claimed)
        with pytest.raises(AccessDeniedException):
            one_side.encrypt(who, key.arn, b"x", {})
        both_sides.encrypt(who, key.arn, b"x", {})
    assert events(both_sides)[-1]["userIdentity"]["accountId"] == "444455556666"


def test_a_made_up_grant_token_is_refused(provider: SoftKms, key: KeyDescription, caller: Caller) -> None:
    request = GrantRequest(key_id=key.arn, grantee_principal=LEAD.principal, operations=("Encrypt",))
    token = provider.create_grant(caller, request).grant_token
    with_token = Caller(principal=LEAD.principal, account=ACCOUNT, grant_tokens=(token,))
    provider.encrypt(with_token, key.arn, b"x", {})
    for bad in ("x", token[:-4] + "AAA=", "é"):
        with pytest.raises(InvalidGrantTokenException):
            provider.encrypt(Caller(principal=LEAD.principal, account=ACCOUNT, grant_tokens=(bad,)), key.arn, b"x", {})


def test_a_change_and_its_record_are_one(provider: SoftKms, key: KeyDescription, caller: Caller) -> None:
    names = [event["eventName"] for event in events(provider)]
    assert names == ["CreateKey"]
    with pytest.raises(ServiceError):
        provider.put_key_policy(caller, key.arn, {"Statement": []})
    assert events(provider)[-1]["errorCode"] == "MalformedPolicyDocumentException"
    provider.put_key_policy(caller, key.arn, POLICY)
    assert [event["eventName"] for event in events(provider)[1:]] == ["PutKeyPolicy", "PutKeyPolicy"]


def test_no_plaintext_key_or_ciphertext_is_recorded(
    provider: SoftKms, key: KeyDescription, caller: Caller, opened: Opened
) -> None:
    """AU1, I19: not in the records, not in the store's files."""
    made = provider.generate_data_key(caller, key.arn, {"shown": "in clear"})
    secret = bytes(made.plaintext.expose_key_bytes())
    provider.encrypt(caller, key.arn, b"a text that nobody may see", {})
    provider.decrypt(caller, made.wrapped, {"shown": "in clear"})
    grant = provider.create_grant(
        caller, GrantRequest(key_id=key.arn, grantee_principal=LEAD.principal, operations=("Decrypt",))
    )
    records = json.dumps(events(provider))
    assert "in clear" in records
    store = provider._door.store
    material = provider._door.materials._open[key.key_id, key.material_id]
    kept = store.path.read_bytes() + store.path.with_name("keys.db-wal").read_bytes()
    for hidden in (secret, b"a text that nobody may see", bytes(material.expose_key_bytes())):
        assert hidden not in kept
        assert hidden.hex() not in records
    assert made.wrapped[60:] not in kept
    assert grant.grant_token not in records
    assert secret.hex() not in repr(made)


@pytest.mark.parametrize("call", ["revoke_grant", "retire_grant", "disable_key"])
def test_a_grant_token_is_checked_by_a_process_that_has_not_opened_a_key_yet(opened: Opened, call: str) -> None:
    """Checking it opens the seal key, in the middle of a change."""
    first = opened()
    administrator = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
    key = first.create_key(administrator, KeyRequest(), token="k")
    grant = first.create_grant(
        administrator, GrantRequest(key_id=key.arn, grantee_principal=SERVICE, operations=("Decrypt",))
    )
    first.close()
    caller = Caller(principal=ADMINISTRATOR, account=ACCOUNT, grant_tokens=(grant.grant_token,))
    second = opened()
    if call == "disable_key":
        second.disable_key(caller, key.arn)
    elif call == "revoke_grant":
        second.revoke_grant(caller, key.arn, grant.grant_id)
    else:
        second.retire_grant(caller, key.arn, grant.grant_id)
