"""A key of another account is used at its own store: decided there, recorded there (KM7)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    DryRunOperationException,
    InvalidCiphertextException,
    InvalidGrantTokenException,
    NotFoundException,
)
from reconciler.providers.keys import KeyRequest
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.asking import Client
from reconciler_softkms.tests.conftest import ADMINISTRATOR, Opened

OTHER = "444455556666"
READER = f"arn:aws:iam::{OTHER}:role/reader"
ADMINISTRATORS = [ADMINISTRATOR, READER]


class Both:
    """Key services of two accounts below one home; the first one's key is shared with the other's reader."""

    def __init__(self, ours: SoftKms, theirs: SoftKms) -> None:
        administrator = Caller(principal=ADMINISTRATOR, account=ours.account)
        reader = Caller(principal=READER, account=OTHER)
        shared: list[dict[str, Any]] = [
            {"Effect": "Allow", "Principal": {"AWS": READER}, "Action": "kms:*", "Resource": "*"},
            *ours.default_key_policy()["Statement"],
        ]
        self.ours, self.theirs = ours, theirs
        self.here, self.there = Client(ours, administrator), Client(theirs, reader)
        request = KeyRequest(policy={"Version": "2012-10-17", "Statement": shared})
        self.shared = ours.create_key(administrator, request, token="shared").arn
        self.kept = ours.create_key(administrator, KeyRequest(), token="kept").arn
        self.own = theirs.create_key(reader, KeyRequest(), token="own").arn

    def names(self, provider: SoftKms) -> list[str]:
        """What the account has on record of the other's reader."""
        events = [event for _, event in provider.audit_events()]
        return [event["eventName"] for event in events if event["userIdentity"].get("arn") == READER]


@pytest.fixture
def both(opened: Opened) -> Iterator[Both]:
    ours = opened(administrators=ADMINISTRATORS)
    yield Both(ours, opened(account=OTHER, administrators=ADMINISTRATORS))


def test_it_is_used_by_its_arn_and_recorded_where_it_is(both: Both) -> None:
    sealed = both.there.ask("Encrypt", KeyId=both.shared, Plaintext=b"text")
    assert sealed["KeyId"] == both.shared
    for named in ({}, {"KeyId": both.shared}):
        opened = both.there.ask("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], **named)
        assert (opened["Plaintext"], opened["KeyId"]) == (b"text", both.shared)
    both.there.ask("GenerateDataKey", KeyId=both.shared, KeySpec="AES_256")
    assert both.names(both.ours) == ["Encrypt", "Decrypt", "Decrypt", "GenerateDataKey"]
    assert both.names(both.theirs) == ["CreateKey"]


def test_an_id_or_alias_names_a_key_of_ones_own_account(both: Both) -> None:
    with pytest.raises(NotFoundException):
        both.there.ask("Encrypt", KeyId=both.shared.rpartition("/")[2], Plaintext=b"text")


def test_what_is_not_shared_is_refused_there(both: Both) -> None:
    blob = both.here.ask("Encrypt", KeyId=both.kept, Plaintext=b"text")["CiphertextBlob"]
    with pytest.raises(AccessDeniedException):
        both.there.ask("Decrypt", CiphertextBlob=blob)
    with pytest.raises(AccessDeniedException):
        both.there.ask("Encrypt", KeyId=both.kept, Plaintext=b"text")
    refused = [event for _, event in both.ours.audit_events()][-2:]
    assert [event["errorCode"] for event in refused] == ["AccessDenied", "AccessDenied"]


def test_a_ciphertext_goes_from_one_account_to_the_other_and_back(both: Both) -> None:
    blob = both.here.ask("Encrypt", KeyId=both.shared, Plaintext=b"text")["CiphertextBlob"]
    for named in ({}, {"SourceKeyId": both.shared}):
        moved = both.there.ask("ReEncrypt", CiphertextBlob=blob, DestinationKeyId=both.own, **named)
        assert (moved["SourceKeyId"], moved["KeyId"]) == (both.shared, both.own)
        back = both.there.ask("ReEncrypt", CiphertextBlob=moved["CiphertextBlob"], DestinationKeyId=both.shared)
        assert (back["SourceKeyId"], back["KeyId"]) == (both.own, both.shared)
        assert both.here.ask("Decrypt", CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == b"text"
    assert both.names(both.ours) == ["ReEncrypt"] * 4
    assert both.names(both.theirs) == ["CreateKey", *["ReEncrypt"] * 4]


def test_both_sides_must_let_a_ciphertext_go(both: Both) -> None:
    kept = both.here.ask("Encrypt", KeyId=both.kept, Plaintext=b"text")["CiphertextBlob"]
    own = both.there.ask("Encrypt", KeyId=both.own, Plaintext=b"text")["CiphertextBlob"]
    with pytest.raises(AccessDeniedException, match="kms:ReEncryptFrom"):
        both.there.ask("ReEncrypt", CiphertextBlob=kept, DestinationKeyId=both.own)
    with pytest.raises(AccessDeniedException, match="kms:ReEncryptTo"):
        both.there.ask("ReEncrypt", CiphertextBlob=own, DestinationKeyId=both.kept)
    with pytest.raises(DryRunOperationException):
        both.there.ask("ReEncrypt", CiphertextBlob=own, DestinationKeyId=both.shared, DryRun=True)
    with pytest.raises(AccessDeniedException):
        both.there.ask("ReEncrypt", CiphertextBlob=own, DestinationKeyId=both.kept, DryRun=True)
    with pytest.raises(InvalidCiphertextException):
        changed = own[:-1] + bytes([own[-1] ^ 1])
        both.there.ask("ReEncrypt", CiphertextBlob=changed, DestinationKeyId=both.shared, DryRun=True)


def test_a_ciphertext_of_nobodys_key_is_recorded_once_where_it_was_asked(
    both: Both, opened: Opened, tmp_path: Path
) -> None:
    elsewhere = opened(account=OTHER, where=tmp_path / "elsewhere", administrators=ADMINISTRATORS)
    key = elsewhere.create_key(both.there.caller, KeyRequest(), token="elsewhere")
    blob = elsewhere.encrypt(both.there.caller, key.arn, b"text", {})
    with pytest.raises(InvalidCiphertextException):
        both.there.ask("Decrypt", CiphertextBlob=blob)
    assert both.names(both.theirs)[-2:] == ["CreateKey", "Decrypt"]
    assert both.names(both.ours) == []


OF_ONES_OWN_KEYS: dict[str, dict[str, Any]] = {
    "CancelKeyDeletion": {},
    "DeleteImportedKeyMaterial": {},
    "DisableKey": {},
    "DisableKeyRotation": {},
    "EnableKey": {},
    "EnableKeyRotation": {},
    "GetKeyPolicy": {},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "ListKeyPolicies": {},
    "ListKeyRotations": {},
    "ListResourceTags": {},
    "PutKeyPolicy": {"Policy": "{}"},
    "RotateKeyOnDemand": {},
    "ScheduleKeyDeletion": {"PendingWindowInDays": 7},
    "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "UntagResource": {"TagKeys": ["a"]},
    "UpdateKeyDescription": {"Description": "x"},
    "UpdatePrimaryRegion": {"PrimaryRegion": "us-east-1"},
    "ReplicateKey": {"ReplicaRegion": "us-east-1"},
}


@pytest.mark.parametrize("operation", OF_ONES_OWN_KEYS)
def test_what_is_for_ones_own_keys_is_denied_whatever_the_policy_of_the_other_says(both: Both, operation: str) -> None:
    nobodys = f"{both.shared.rpartition('/')[0]}/00000000-1111-2222-3333-444444444444"
    for key in (both.shared, both.kept, nobodys):  # all alike: it tells nothing of what is there
        with pytest.raises(AccessDeniedException) as refused:
            both.there.ask(operation, KeyId=key, **OF_ONES_OWN_KEYS[operation])
        assert refused.value.publicly == (
            f"User: {READER} is not authorized to perform: kms:{operation} on resource: {key} because no"
            f" resource-based policy allows the kms:{operation} action"
        )
    assert both.names(both.ours) == []


def test_another_accounts_grant_is_listed_for_and_retired_by_whom_it_names(both: Both) -> None:
    made = [
        both.here.ask(
            "CreateGrant", KeyId=both.kept, GranteePrincipal=READER, RetiringPrincipal=READER, Operations=["Encrypt"]
        )
        for _ in range(3)
    ]
    own = both.there.ask(
        "CreateGrant", KeyId=both.own, GranteePrincipal=READER, RetiringPrincipal=READER, Operations=["Encrypt"]
    )
    found: list[Any] = []
    marker: dict[str, Any] = {}
    while not found or marker:
        listed = both.there.ask("ListRetirableGrants", RetiringPrincipal=READER, Limit=1, **marker)
        found += listed["Grants"]
        marker = {"Marker": listed["NextMarker"]} if listed["Truncated"] else {}
    assert [one["GrantId"] for one in found] == sorted(one["GrantId"] for one in [*made, own])
    assert {one["KeyId"] for one in found} == {both.kept, both.own}
    both.there.ask("RetireGrant", GrantToken=made[0]["GrantToken"])
    both.there.ask("RetireGrant", KeyId=both.kept, GrantId=made[1]["GrantId"])
    assert [one["GrantId"] for one in both.here.ask("ListGrants", KeyId=both.kept)["Grants"]] == [made[2]["GrantId"]]
    with pytest.raises(NotFoundException):
        both.there.ask("RetireGrant", GrantToken=made[0]["GrantToken"])


def test_a_token_that_says_another_account_is_nobodys(both: Both) -> None:
    token = both.here.ask("CreateGrant", KeyId=both.kept, GranteePrincipal=READER, Operations=["Encrypt"])["GrantToken"]
    raw = bytearray(base64.urlsafe_b64decode(token))
    for account in (int(OTHER), 999_999_999_999):
        raw[12:17] = account.to_bytes(5, "big")
        with pytest.raises(InvalidGrantTokenException):
            both.here.ask("RetireGrant", GrantToken=base64.urlsafe_b64encode(raw).decode())
